"""The host's container: its command line, its variables, its probes, and what it may do."""

from __future__ import annotations

import math
from typing import Any

from .document import Because
from .keys import Deployment, seconds

__all__ = [
    "METRICS_ANNOTATIONS",
    "PORT",
    "arguments",
    "environment",
    "event_mounts",
    "event_volumes",
    "host_container",
    "resources",
    "startup_probe",
]

PORT = 8080
METRICS_ANNOTATIONS = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": str(PORT),
    "prometheus.io/path": "/metrics",
}
COMMON_ARGUMENTS = ["serve", "--http_port", str(PORT)]

_EVENTS = "/var/lib/liftwing"
_STARTUP_PERIOD = 5


def host_container(image: str) -> dict[str, Any]:
    """What is the same for all models of an image."""
    return {
        "name": "kserve-container",
        "image": image,
        "args": Because(COMMON_ARGUMENTS, "KServe puts the arguments of each InferenceService behind these."),
        "ports": [{"containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": Because(
            {**_probe("/v2/health/ready", period=5), "failureThreshold": 2},
            "503 while a model is not loaded, while none of its workers can be had, and from SIGTERM on.",
        ),
        "livenessProbe": Because(
            {**_probe("/", period=10), "failureThreshold": 3},
            "Answered by the host itself, which waits for no worker: busy or crashing models end no pod.",
        ),
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def arguments(deployment: Deployment, component: str) -> list[str]:
    """The command line of one model, behind `COMMON_ARGUMENTS`."""
    keys = deployment.keys
    # The model's name in URLs is the InferenceService's, as KServe's clients take for granted. KServe puts --model_name
    # (in this spelling, where it is missing) and --predictor_host behind a transformer's arguments.
    words = ["--model", deployment.model, "--model_name", deployment.name]
    if keys.transformer and component == "predictor":
        words += ["--role", "predictor"]
    if component == "predictor" and keys.workers is not None:
        words += ["--workers", str(keys.workers)]
    if keys.demo:
        words.append("--demo")
    words += ["--timeout", seconds(keys.timeout)]
    words += ["--drain-delay", seconds(keys.drain_delay)]
    return [*words, "--drain-timeout", seconds(deployment.drain_timeout)]


def environment(deployment: Deployment) -> list[dict[str, str]]:
    """The variables, in the order of their names."""
    environ = dict(deployment.environ)
    if deployment.keeps_events:
        environ["LIFTWING_EVENTS"] = f"{_EVENTS}/events.sqlite"
    # Kubernetes takes $(NAME) for the value of another variable, and $$ for a dollar.
    return [{"name": name, "value": environ[name].replace("$", "$$")} for name in sorted(environ)]


def resources(deployment: Deployment, component: str) -> Because:
    """CPUs and memory, requested and limited alike."""
    amounts = deployment.resources(component)
    workers = deployment.workers(component)
    chosen = component == "predictor" and deployment.keys.workers is not None
    number = f"{workers} compute worker{'' if workers == 1 else 's'}"
    reason = (
        f"{number}, as was asked for; without --workers the host begins as many as this limit allows CPUs."
        if chosen
        else f"The host begins as many compute workers as the limit allows CPUs, rounded up: {number}."
    )
    return Because({"requests": amounts, "limits": dict(amounts)}, reason)


def startup_probe(deployment: Deployment) -> Because:
    """Until it succeeds, the other probes wait."""
    failures = math.ceil(deployment.keys.startup_timeout / _STARTUP_PERIOD)
    return Because(
        {**_probe("/v2/health/ready", period=_STARTUP_PERIOD), "failureThreshold": failures},
        f"A model that is not loaded after {failures * _STARTUP_PERIOD} s (failureThreshold times periodSeconds) has "
        "its container begun again.",
    )


def event_mounts() -> list[dict[str, str]]:
    """Where the container has the file of events."""
    return [{"name": "events", "mountPath": _EVENTS}]


def event_volumes() -> Because:
    """What the file of events lies on."""
    return Because(
        [{"name": "events", "emptyDir": {}}],
        "Events that EventGate has not taken yet: the only thing that the host writes. They outlive the container, not "
        "the pod.",
    )


def _probe(path: str, period: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": PORT}, "periodSeconds": period, "timeoutSeconds": 5}
