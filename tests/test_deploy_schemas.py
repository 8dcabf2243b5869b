"""`liftwing-host deploy`: what it writes is what KServe and Kubernetes take, and nothing that they do not know."""

from __future__ import annotations

import os
import subprocess

import kubernetes_validate
import pytest

import kserve_pods
from kserve_pods import IMAGE, NEEDED, rendered
from kserve_schema import Schemas, fetch_sdk

VERSIONS = {"0.13.1": "1.29", "0.21.0": "1.36"}
"""The KServe that Lift Wing has and the newest, each with a Kubernetes of its time."""


@pytest.fixture(scope="module", params=VERSIONS)
def schemas(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    try:
        wheel = fetch_sdk(request.param, tmp_path_factory.mktemp("kserve"))
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI") != "true":
            pytest.skip(f"KServe's SDK cannot be had: {error.stderr.strip()}")
        raise
    return Schemas(wheel, VERSIONS[request.param])


WAYS = {
    "alone": NEEDED,
    "apart": [*NEEDED, "transformer=true"],
    "demo": [IMAGE, "demo=true", "min_replicas=1"],
    "events": [*NEEDED, "env.EVENTGATE_URL=https://eventgate.example.org/v1/events", "transformer=true"],
    "everything": [
        *NEEDED, "name=topics", "cpu=1500m", "memory=1.5Gi", "workers=0", "min_replicas=3", "max_replicas=9",
        "target_concurrency=2.5", "timeout=0.5", "drain_delay=0", "drain_timeout=7.25", "startup_timeout=1",
        "service_account=models", "env.WIKI_URL=yes", "env.A=1e3", "env.B=~", "env.C=12:30", "env.D=it's \"so\" # no",
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_manifests_fit_the_schemas_of_kserve_and_kubernetes(schemas: Schemas, way: str) -> None:
    kinds = []
    for manifest in rendered(*WAYS[way]):
        kinds.append(manifest["kind"])
        if manifest["apiVersion"].startswith("serving.kserve.io/"):
            assert schemas.problems(manifest) == []
        else:
            for version in VERSIONS.values():
                kubernetes_validate.validate(manifest, version, strict=True)
    assert kinds[:3] == ["ServingRuntime", "InferenceService", "HorizontalPodAutoscaler"]


def test_the_schemas_refuse_what_kserve_does_not_know(schemas: Schemas) -> None:
    """Of the schemas themselves: what slipped through them would prove nothing."""
    service = kserve_pods.of_kind(rendered(*NEEDED), "InferenceService")
    runtime = kserve_pods.of_kind(rendered(*NEEDED), "ServingRuntime")
    predictor, container = service["spec"]["predictor"], runtime["spec"]["containers"][0]
    for place, key, value in [
        (service["spec"], "predictr", {}),
        (predictor, "minReplica", 1),
        (predictor, "terminationGracePeriodSeconds", "86"),
        (predictor["model"], "storageURI", "s3://models"),
        (predictor["model"]["startupProbe"], "failureTreshold", 1),
        (container["securityContext"], "runAsNonRot", True),
        (container["readinessProbe"]["httpGet"], "port", None),
        (runtime["spec"], "containers", None),
    ]:
        before = dict(place)
        place[key] = value
        if key == "containers":
            del place[key]
        assert schemas.problems(service) + schemas.problems(runtime) != [], key
        place.clear()
        place.update(before)
    assert schemas.problems(service) + schemas.problems(runtime) == []
