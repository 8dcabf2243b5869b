"""What the operator says by ``--set KEY=VALUE``, checked, and the numbers that follow from it."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import ConfigurationError
from ..setting import read_settings, setting
from .quantity import parse_quantity

__all__ = ["AFTER_DRAIN", "Deployment", "Keys", "explain_keys", "read_keys", "seconds"]

AFTER_DRAIN = 15
"""Seconds that the host may take from the end of its drain to its exit: for its connections and workers, and for events
that wait (5 s)."""

_SCHEMES = ("s3", "gs", "pvc", "hf", "oci", "https", "http", "hdfs", "webhdfs", "file")
"""What KServe takes in `storageUri` (its pkg/apis/serving/v1beta1)."""

_NAME = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_LONGEST_LABEL = 63
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_IMAGE = re.compile(r"[a-z0-9][^\s]*")

_OF_KEYS = {
    "ASYNCIO_AUX_WORKERS": "workers",
    "LIFTWING_DEMO": "demo",
    "LIFTWING_DRAIN_DELAY": "drain_delay",
    "LIFTWING_DRAIN_TIMEOUT": "drain_timeout",
    "LIFTWING_MODEL_NAME": "name",
    "LIFTWING_PREDICTOR_HOST": "transformer",
    "LIFTWING_ROLE": "transformer",
    "LIFTWING_TIMEOUT": "timeout",
    "LIFTWING_WORKERS": "workers",
}
"""Variables that a key stands for: the manifests compute with it, and its flag wins."""

_OURS = ("LIFTWING_ADDRESS", "LIFTWING_EVENTS", "LIFTWING_MODELS", "LIFTWING_PORT")
"""Variables that the manifests themselves settle."""


@dataclass(frozen=True)
class Keys:
    """The keys of ``--set``; see docs/kubernetes.md."""

    image: str = setting("", env="image", help="the container image, such as registry.example.org/outlink:1")
    storage_uri: str = setting(
        "", env="storage_uri", help="where the model's files are, such as s3://bucket/model"
    )
    demo: bool = setting(False, env="demo", help="serve the plugin's demo model instead of storage_uri")
    name: str = setting(
        "", env="name", help="name of the InferenceService, and of the model in URLs; its own where left out"
    )
    transformer: bool = setting(
        False, env="transformer", help="fetch, preprocess and postprocess in pods of their own"
    )
    cpu: str = setting("2", env="cpu", help="CPUs of a pod, such as 2 or 500m; as many workers, rounded up")
    memory: str = setting("2Gi", env="memory", help="memory of a pod")
    workers: int | None = setting(
        None, env="workers", minimum=0, help="compute workers of a pod, where not as many as CPUs"
    )
    transformer_cpu: str = setting("1", env="transformer_cpu", help="CPUs of a transformer's pod")
    transformer_memory: str = setting("1Gi", env="transformer_memory", help="memory of a transformer's pod")
    min_replicas: int = setting(2, env="min_replicas", minimum=1, help="pods at least, of each kind")
    max_replicas: int = setting(6, env="max_replicas", minimum=1, help="pods at most, of each kind")
    target_concurrency: float | None = setting(
        None,
        env="target_concurrency",
        minimum=0.001,
        help="requests under way of a pod from which on there are to be more; its workers where left out",
    )
    transformer_target_concurrency: float = setting(
        10.0, env="transformer_target_concurrency", minimum=0.001, help="the same for a transformer's pod"
    )
    timeout: float = setting(60.0, env="timeout", above=0, help="seconds that a request may take")
    drain_delay: float = setting(
        10.0, env="drain_delay", minimum=0, help="seconds that a pod which is to end still takes requests"
    )
    drain_timeout: float | None = setting(
        None,
        env="drain_timeout",
        minimum=0,
        help="seconds that it then answers what is under way; timeout and one more where left out",
    )
    startup_timeout: int = setting(
        600, env="startup_timeout", minimum=1, help="seconds that a pod may take to load its model"
    )
    service_account: str = setting(
        "", env="service_account", help="the service account with the secrets of storage_uri"
    )


@dataclass(frozen=True)
class Deployment:
    """A model that is to be deployed.

    Attributes:
        model: Its name among those that are installed.
        distribution: The distribution that brings it.
        keys: What the operator wants.
        environ: Further variables of the containers.
    """

    model: str
    distribution: str
    keys: Keys
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the InferenceService, and of the model in URLs."""
        return self.keys.name or self.model

    @property
    def runtime(self) -> str:
        """Name of the ServingRuntime: one for each plugin."""
        plugin = re.sub(r"[-_.]+", "-", self.distribution).lower()
        return "liftwing-" + plugin.removeprefix("liftwing-plugin-")

    @property
    def components(self) -> tuple[str, ...]:
        """The kinds of pods, by KServe's names."""
        return ("predictor", "transformer") if self.keys.transformer else ("predictor",)

    @property
    def drain_timeout(self) -> float:
        """Seconds. Who was let in last still gets an answer, be it the 504 at its deadline."""
        return self.keys.timeout + 1 if self.keys.drain_timeout is None else self.keys.drain_timeout

    @property
    def grace_period(self) -> int:
        """Seconds from SIGTERM until Kubernetes kills the pod."""
        return math.ceil(self.keys.drain_delay + self.drain_timeout) + AFTER_DRAIN

    @property
    def gateway_timeout(self) -> int:
        """Seconds after which the gateway gives a request up: later than the host does."""
        return math.ceil(self.keys.timeout) + 1

    @property
    def keeps_events(self) -> bool:
        """Whether the host writes a file of events."""
        return bool(self.environ.get("EVENTGATE_URL")) and self.environ.get("EVENTGATE_DELIVERY") != "sync"

    def resources(self, component: str) -> dict[str, str]:
        """CPUs and memory of a component's container."""
        if component == "transformer":
            return {"cpu": self.keys.transformer_cpu, "memory": self.keys.transformer_memory}
        return {"cpu": self.keys.cpu, "memory": self.keys.memory}

    def workers(self, component: str) -> int:
        """Compute workers of a component's container; the host counts its CPUs in the same way."""
        if component == "predictor" and self.keys.workers is not None:
            return self.keys.workers
        return math.ceil(parse_quantity("cpu", self.resources(component)["cpu"], "2"))

    def target_concurrency(self, component: str) -> float:
        """Requests under way of a pod that the autoscaler aims at."""
        if component == "transformer":
            return self.keys.transformer_target_concurrency
        given = self.keys.target_concurrency
        return max(1, self.workers(component)) if given is None else given


def seconds(number: float) -> str:
    """Seconds as they are written on a command line: all digits, and none too many."""
    return str(int(number)) if number == int(number) else str(number)


def explain_keys() -> str:
    """The keys, their defaults and meanings, a line each."""
    rows = [(field.name, _shown(field), field.metadata["help"]) for field in dataclasses.fields(Keys)]
    rows.append(("env.NAME", "", "a variable of the containers, such as env.WIKI_URL=https://example.org"))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{name:{widths[0]}}  {default:{widths[1]}}  {text}" for name, default, text in rows)


def read_keys(model: str, distribution: str, assignments: Iterable[str]) -> Deployment:
    """Take the assignments apart and check them.

    Raises:
        ConfigurationError: Names the key, its value and what is allowed.
    """
    values, environ = _split(assignments)
    keys = read_settings(Keys, environ=values)
    deployment = Deployment(model, distribution, keys, environ)
    _check_files(keys)
    _check_names(deployment)
    _check_numbers(keys)
    return deployment


def _split(assignments: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Values of keys, and variables of the containers."""
    values: dict[str, str] = {}
    environ: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment!r} is not allowed: expected KEY=VALUE.")
        taken, name = (environ, key.removeprefix("env.")) if key.startswith("env.") else (values, key)
        if name in taken:
            raise ConfigurationError(f"--set: {key} is given twice; keep one.")
        taken[name] = value
    # Knows what to suggest for a misspelt key.
    read_settings(Keys, table={key: "" for key in values if key not in _names()}, where="--set")
    for key, value in values.items():
        if not value:
            raise ConfigurationError(f"--set: {key} has no value; leave it out for its default.")
    for variable, value in environ.items():
        _check_variable(variable, value)
    return values, environ


def _names() -> set[str]:
    return {field.name for field in dataclasses.fields(Keys)}


def _check_variable(variable: str, value: str) -> None:
    if not _VARIABLE.fullmatch(variable):
        raise ConfigurationError(f"--set: env.{variable} is not the name of an environment variable.")
    if variable in _OF_KEYS:
        raise ConfigurationError(
            f"--set: env.{variable} is what the key {_OF_KEYS[variable]} is for; set that."
        )
    if variable in _OURS:
        raise ConfigurationError(f"--set: env.{variable} cannot be set; the manifests settle it.")
    if "{{" in value:
        raise ConfigurationError(
            f"--set: env.{variable} has {{{{ in its value, which KServe takes for a template."
        )


def _check_files(keys: Keys) -> None:
    if not keys.image:
        raise ConfigurationError(
            "image is not set: --set image=REGISTRY/NAME:TAG, an image with the plugin in it, such as the Dockerfile "
            "of liftwing-host makes."
        )
    if not _IMAGE.fullmatch(keys.image):
        raise ConfigurationError(
            f"image={keys.image!r} is not allowed: expected an image such as registry.example.org/outlink:1."
        )
    if keys.demo and keys.storage_uri:
        raise ConfigurationError(
            "storage_uri and demo are both set; keep one: the demo brings its own model."
        )
    if keys.demo:
        return
    if not keys.storage_uri:
        raise ConfigurationError(
            "storage_uri is not set: --set storage_uri=s3://BUCKET/PATH says where KServe finds the model's files; "
            "they come to lie in /mnt/models. --set demo=true serves the plugin's demo model instead."
        )
    scheme, separator, rest = keys.storage_uri.partition("://")
    if scheme not in _SCHEMES or not separator or not rest.strip("/") or re.search(r"\s", rest):
        raise ConfigurationError(
            f"storage_uri={keys.storage_uri!r} is not allowed: expected a URI that begins with "
            f"{', '.join(scheme + '://' for scheme in _SCHEMES)}."
        )


def _check_names(deployment: Deployment) -> None:
    # KServe labels a component's pods with this, and a label has at most 63 letters.
    longest = _LONGEST_LABEL - max(len(f"isvc.-{component}") for component in deployment.components)
    for key, value, most in (
        ("name", deployment.name, longest),
        ("service_account", deployment.keys.service_account, _LONGEST_LABEL),
    ):
        if value and (not _NAME.fullmatch(value) or len(value) > most):
            raise ConfigurationError(
                f"{key}={value!r} is not allowed: expected at most {most} lower-case letters, digits and dashes, a "
                "letter first and no dash last (a DNS label)."
            )


def _check_numbers(keys: Keys) -> None:
    for key, example in (
        ("cpu", "2 or 500m"),
        ("memory", "2Gi"),
        ("transformer_cpu", "1 or 500m"),
        ("transformer_memory", "1Gi"),
    ):
        _check_quantity(key, getattr(keys, key), example)
    if keys.max_replicas < keys.min_replicas:
        raise ConfigurationError(
            f"max_replicas={keys.max_replicas} is not allowed: it is less than min_replicas={keys.min_replicas}."
        )


def _check_quantity(key: str, text: str, example: str) -> None:
    number = parse_quantity(key, text, example)
    # The kubelet would refuse the first, and the kernel kill the host at once in the second.
    if key.endswith("cpu") and number % Decimal("0.001"):
        raise ConfigurationError(f"{key}={text!r} is not allowed: a thousandth of a CPU (1m) is the finest.")
    if key.endswith("memory") and number < 64 << 20:
        raise ConfigurationError(
            f"{key}={text!r} is not allowed: less than 64Mi is too little for any model."
        )


def _shown(declared: dataclasses.Field[typing.Any]) -> str:
    default = declared.default
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
