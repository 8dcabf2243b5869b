"""How many pods there are, and how many of them may be away at once."""

from __future__ import annotations

from typing import Any

from .document import Because
from .keys import Deployment

__all__ = ["METRIC", "scaling"]

METRIC = "liftwing_requests_under_way"
"""What the metrics adapter calls the rate of `liftwing_request_seconds_sum`; docs/kubernetes.md has its rule."""


def scaling(deployment: Deployment) -> list[dict[str, Any]]:
    """The autoscaler of each component, and its disruption budget where there is more than one pod."""
    objects = []
    for component in deployment.components:
        objects.append(_autoscaler(deployment, component))
        if deployment.keys.min_replicas > 1:
            objects.append(_disruption_budget(deployment, component))
    return objects


def _autoscaler(deployment: Deployment, component: str) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": Because(
                f"{deployment.name}-{component}-requests",
                f"KServe takes an autoscaler called {deployment.name}-{component} for its own, and would overwrite it.",
            )
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": f"{deployment.name}-{component}",
            },
            "minReplicas": deployment.keys.min_replicas,
            "maxReplicas": deployment.keys.max_replicas,
            "metrics": [_metric(deployment, component)],
        },
    }


def _metric(deployment: Deployment, component: str) -> dict[str, Any]:
    target = deployment.target_concurrency(component)
    return {
        "type": "Pods",
        "pods": {
            "metric": Because(
                {"name": METRIC},
                "Seconds that requests took, per second, is how many were under way. The metrics adapter gets it from "
                "liftwing_request_seconds_sum of GET /metrics by a rule; see docs/kubernetes.md of liftwing-host.",
            ),
            "target": {"type": "AverageValue", "averageValue": _quantity(target)},
        },
    }


def _quantity(number: float) -> str:
    return f"{number:g}" if number == int(number) else f"{round(number * 1000)}m"


def _disruption_budget(deployment: Deployment, component: str) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{deployment.name}-{component}"},
        "spec": {
            "maxUnavailable": Because(1, "When nodes are emptied, one pod after the other."),
            "selector": {
                "matchLabels": Because(
                    {"serving.kserve.io/inferenceservice": deployment.name, "component": component},
                    "KServe's labels of the pods.",
                )
            },
        },
    }
