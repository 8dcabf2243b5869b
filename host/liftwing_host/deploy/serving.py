"""KServe's objects: a ServingRuntime for the plugin's image, an InferenceService for the model."""

from __future__ import annotations

from typing import Any

from .container import (
    METRICS_ANNOTATIONS,
    arguments,
    environment,
    event_mounts,
    event_volumes,
    host_container,
    resources,
    startup_probe,
)
from .document import Because
from .keys import AFTER_DRAIN, Deployment, seconds

__all__ = ["inference_service", "serving_runtime"]


def serving_runtime(deployment: Deployment) -> dict[str, Any]:
    """What all models of the plugin have in common."""
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ServingRuntime",
        "metadata": {
            "name": Because(
                deployment.runtime,
                f"One for all models of {deployment.distribution}: what differs is in each InferenceService.",
            )
        },
        "spec": {
            "supportedModelFormats": [{"name": deployment.runtime, "autoSelect": False}],
            "protocolVersions": ["v1"],
            "multiModel": False,
            "containers": [host_container(deployment.keys.image)],
        },
    }


def inference_service(deployment: Deployment) -> dict[str, Any]:
    """The model, in a predictor alone or in a transformer and a predictor."""
    spec: dict[str, Any] = {"predictor": {**_pod(deployment), "model": _model(deployment)}}
    if deployment.keys.transformer:
        spec["transformer"] = {**_pod(deployment), "containers": [_transformer(deployment)]}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": deployment.name,
            "annotations": {
                "serving.kserve.io/deploymentMode": Because(
                    "RawDeployment",
                    "A Deployment, not Knative, which knows neither a grace period of a pod nor the autoscaler below. "
                    "KServe calls it Standard from 0.16 on, and takes both names.",
                ),
                "serving.kserve.io/autoscalerClass": Because(
                    "external", "The autoscaler below, instead of one that KServe makes."
                ),
            },
        },
        "spec": spec,
    }


def _pod(deployment: Deployment) -> dict[str, Any]:
    """What the pods of both kinds have in common."""
    keys = deployment.keys
    pod: dict[str, Any] = {
        "minReplicas": keys.min_replicas,
        "maxReplicas": keys.max_replicas,
        "timeout": Because(
            deployment.gateway_timeout,
            f"Of the gateway. Later than the host's own {seconds(keys.timeout)} s, whose 504 says what took so long.",
        ),
        "annotations": dict(METRICS_ANNOTATIONS),
        "enableServiceLinks": Because(False, "Else a Service called liftwing would set LIFTWING_PORT."),
    }
    if keys.service_account:
        pod["serviceAccountName"] = keys.service_account
    pod["securityContext"] = Because(
        {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "For the containers that KServe puts into the pod, too.",
    )
    pod["terminationGracePeriodSeconds"] = Because(
        deployment.grace_period,
        f"SIGTERM, then {seconds(keys.drain_delay)} s in which requests are still taken, while the endpoints hear of it (so "
        f"no preStop hook is needed), {seconds(deployment.drain_timeout)} s to answer them, {AFTER_DRAIN} s to end.",
    )
    if deployment.keeps_events:
        pod["volumes"] = event_volumes()
    return pod


def _model(deployment: Deployment) -> dict[str, Any]:
    keys = deployment.keys
    model: dict[str, Any] = {
        "modelFormat": {"name": deployment.runtime},
        "runtime": deployment.runtime,
        "protocolVersion": "v1",
    }
    if keys.storage_uri:
        model["storageUri"] = Because(
            keys.storage_uri, "KServe's storage initializer puts it into /mnt/models."
        )
    return model | _own(deployment, "predictor")


def _transformer(deployment: Deployment) -> dict[str, Any]:
    container = host_container(deployment.keys.image)
    own = _own(deployment, "transformer")
    common = container["args"].value
    own["args"] = Because([*common, *own["args"]], "KServe puts --predictor_host behind these.")
    return container | own


def _own(deployment: Deployment, component: str) -> dict[str, Any]:
    """What a container has of this model alone."""
    own: dict[str, Any] = {"args": arguments(deployment, component)}
    if variables := environment(deployment):
        own["env"] = variables
    own["resources"] = resources(deployment, component)
    own["startupProbe"] = startup_probe(deployment)
    if deployment.keeps_events:
        own["volumeMounts"] = event_mounts()
    return own
