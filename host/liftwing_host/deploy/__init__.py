"""Kubernetes manifests that serve a model with KServe: what `liftwing-host deploy` writes. Talks to no cluster.

::

    --set KEY=VALUE ─ keys ─→ Deployment ─┬─ serving ─→ ServingRuntime, InferenceService ─┬─ document ─→ YAML
                                          └─ scaling ─→ HorizontalPodAutoscaler, …  ──────┘
"""

from __future__ import annotations

from .document import write
from .keys import Deployment, explain_keys, read_keys
from .scaling import scaling
from .serving import inference_service, serving_runtime

__all__ = ["explain_keys", "render"]


def render(model: str, distribution: str, assignments: list[str]) -> str:
    """The manifests of one model, as YAML.

    Args:
        model: The model's name.
        distribution: The distribution that brings it.
        assignments: What the operator wants, each ``KEY=VALUE``.

    Raises:
        ConfigurationError: Names the key, its value and what is allowed.
    """
    deployment: Deployment = read_keys(model, distribution, assignments)
    return write([serving_runtime(deployment), inference_service(deployment), *scaling(deployment)])
