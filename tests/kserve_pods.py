"""What KServe makes of its objects: the container that it begins. As its controller does it, without a cluster.

From kserve/kserve: `MergeRuntimeContainers` in pkg/controller/v1beta1/inferenceservice/utils/utils.go, and
`CustomTransformer.GetContainer` in pkg/apis/serving/v1beta1/transformer_custom.go.
"""

from __future__ import annotations

from typing import Any

import yaml

from liftwing_host.deploy import render

Manifest = dict[str, Any]

MODEL, PLUGIN = "outlink-topic-model", "liftwing-plugin-outlink"
IMAGE = "image=registry.example.org/outlink:1"
NEEDED = [IMAGE, "storage_uri=s3://models/outlink"]


def rendered(*assignments: str, model: str = MODEL) -> list[Manifest]:
    """What `liftwing-host deploy` writes, read as kubectl reads it: as YAML 1.1."""
    return list(yaml.safe_load_all(render(model, PLUGIN, list(assignments))))


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """The only one of its kind."""
    [found] = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def predictor(manifests: list[Manifest]) -> Manifest:
    """The predictor's container: the runtime's, with the model's fields over it and its arguments behind."""
    runtime, service = of_kind(manifests, "ServingRuntime"), of_kind(manifests, "InferenceService")
    model = dict(service["spec"]["predictor"]["model"])
    assert model["runtime"] == runtime["metadata"]["name"]
    formats = [supported["name"] for supported in runtime["spec"]["supportedModelFormats"]]
    assert model["modelFormat"]["name"] in formats
    assert model["protocolVersion"] in runtime["spec"]["protocolVersions"]
    [common] = runtime["spec"]["containers"]
    return {**common, **model, "args": [*common["args"], *model.get("args", [])]}


def transformer(manifests: list[Manifest], predictor_host: str) -> Manifest:
    """The transformer's container, with the arguments that KServe puts behind its own."""
    service = of_kind(manifests, "InferenceService")
    [container] = service["spec"]["transformer"]["containers"]
    arguments = list(container["args"])
    for flag, value in (
        ("--model_name", service["metadata"]["name"]),
        ("--predictor_host", predictor_host),
        ("--http_port", "8080"),
    ):
        if flag not in arguments:
            arguments += [flag, value]
    return {**container, "args": arguments}


def environment(container: Manifest) -> dict[str, str]:
    """The variables, as Kubernetes gives them to the process: ``$$`` is a dollar."""
    return {entry["name"]: entry["value"].replace("$$", "$") for entry in container.get("env", [])}
