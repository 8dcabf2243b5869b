"""What the operator can say, key by key, and what holds where nothing is said: frozen objects.

`configuration` makes them of flags, environment and file. (A plugin's own settings are read on the worker side.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import platformdirs

from ..setting import setting
from .logs import LogLevel
from .plugin_names import names_of
from .role import Role, role_of

__all__ = ["HostSettings", "ModelSettings", "PluginSettings", "Settings", "downloads_of"]

MOST_WORKERS = 1024
"""Compute workers of a plugin; a number with a digit too many would fill the memory before anybody could say stop."""

T = TypeVar("T", "ModelSettings", "PluginSettings")


@dataclass(frozen=True)
class HostSettings:
    """The keys at the top of the TOML file; each has a flag or a variable, too."""

    port: int = setting(8080, env="LIFTWING_PORT", minimum=0, maximum=65535, help="0 takes a free one")
    address: str = setting("", env="LIFTWING_ADDRESS", help="the address to listen on; all where empty")
    http: Literal["llhttp", "tornado"] = setting("llhttp", env="LIFTWING_HTTP", help="the parser of HTTP")
    workers: int | None = setting(
        None,
        env="LIFTWING_WORKERS",
        minimum=0,
        maximum=MOST_WORKERS,
        help="compute workers of each plugin; 0: one process for all",
    )
    max_requests: int | None = setting(
        None,
        env="LIFTWING_MAX_REQUESTS",
        minimum=1,
        help="answers after which a worker is replaced, more or less",
    )
    max_rss: int | None = setting(
        None, env="LIFTWING_MAX_RSS", minimum=1, help="bytes of memory from which on a worker is replaced"
    )
    demo: bool = setting(False, env="LIFTWING_DEMO", help="serve the demo models that plugins bring")
    log_level: LogLevel = setting("info", env="LIFTWING_LOG_LEVEL")
    timeout: float = setting(60.0, env="LIFTWING_TIMEOUT", above=0, help="seconds that a request may take")
    max_body_size: int = setting(
        100 << 20, env="LIFTWING_MAX_BODY_SIZE", minimum=1, help="bytes of a request"
    )
    max_body_memory: int | None = setting(
        None,
        env="LIFTWING_MAX_BODY_MEMORY",
        minimum=1,
        help="bytes of all requests' large bodies together; then 503",
    )
    queue_size: int = setting(
        128, env="LIFTWING_QUEUE_SIZE", minimum=0, help="requests of a model that may wait for a worker"
    )
    max_concurrency: int = setting(
        1000, env="LIFTWING_MAX_CONCURRENCY", minimum=1, help="requests that an async worker has under way"
    )
    expose_errors: bool = setting(
        False, env="LIFTWING_EXPOSE_ERRORS", help="send the text of unexpected exceptions to clients"
    )
    dev: bool = setting(False, env="LIFTWING_DEV", help="find mistakes of plugins, at a price")
    reload: bool = setting(False, env="LIFTWING_RELOAD", help="load plugins anew when their files change")
    asyncio_use_process_pool: bool | None = setting(
        None, env="ASYNCIO_USE_PROCESS_POOL", help="Lift Wing's: false runs everything in one process"
    )
    asyncio_aux_workers: int | None = setting(
        None,
        env="ASYNCIO_AUX_WORKERS",
        minimum=1,
        maximum=MOST_WORKERS,
        help="Lift Wing's name for the number of workers",
    )
    preprocess_mp: bool | None = setting(
        None, env="PREPROCESS_MP", help="Lift Wing's: false keeps preprocess out of the compute workers"
    )
    inference_mp: bool | None = setting(
        None, env="INFERENCE_MP", help="Lift Wing's: false keeps predict out of the compute workers"
    )
    model_name: str | None = setting(
        None, env="LIFTWING_MODEL_NAME", help="the name in the URL, where one model is served"
    )
    role: Role | None = setting(None, env="LIFTWING_ROLE", help="which of the hooks run here")
    predictor_host: str | None = setting(
        None, env="LIFTWING_PREDICTOR_HOST", help="where features are sent, as HOST or HOST:PORT"
    )
    predictor_protocol: Literal["v1"] = setting(
        "v1", env="LIFTWING_PREDICTOR_PROTOCOL", help="KServe's v1 protocol alone, neither v2 nor gRPC"
    )
    predictor_use_ssl: bool = setting(
        False, env="LIFTWING_PREDICTOR_USE_SSL", help="ask the predictor over HTTPS"
    )
    predictor_request_timeout_seconds: float | None = setting(
        None,
        env="LIFTWING_PREDICTOR_REQUEST_TIMEOUT_SECONDS",
        above=0,
        help="seconds that the predictor may take, of those that the request has",
    )
    requests_ca_bundle: Path | None = setting(
        None, env="REQUESTS_CA_BUNDLE", help="the certificates by which the predictor's is checked"
    )
    drain_delay: float = setting(
        0.0,
        env="LIFTWING_DRAIN_DELAY",
        minimum=0,
        help="seconds of not being ready before the port is closed",
    )
    drain_timeout: float = setting(
        30.0, env="LIFTWING_DRAIN_TIMEOUT", minimum=0, help="seconds that requests under way may still take"
    )
    downloads: Path = setting(
        platformdirs.user_data_path("liftwing-host", appauthor=False),
        env="LIFTWING_DOWNLOADS",
        help="the folder of downloaded model files",
    )
    ray_address: str = setting(
        "auto",
        env="LIFTWING_RAY_ADDRESS",
        help="the Ray cluster of plugins whose executor is ray: auto, HOST:PORT or ray://HOST:PORT",
    )
    environments: Path = setting(
        platformdirs.user_data_path("liftwing-host", appauthor=False) / "environments",
        env="LIFTWING_ENVIRONMENTS",
        help="the folder of plugins that were installed isolated",
    )


@dataclass(frozen=True)
class ModelSettings:
    """The host's own keys of ``[models.NAME]``. What is None is as for the whole host, or as the plugin says."""

    timeout: float | None = setting(None, above=0, help="seconds that a request may take")
    queue_size: int | None = setting(None, minimum=0, help="requests that may wait for a worker")
    expose_errors: bool | None = setting(None)
    idempotent: bool | None = setting(
        None, help="whether a request may be run once more after a worker's death"
    )
    max_batch_size: int | None = setting(
        None, minimum=1, help="the most requests that predict_batch gets at once"
    )
    asyncio_use_process_pool: bool | None = setting(None)
    preprocess_mp: bool | None = setting(None)
    inference_mp: bool | None = setting(None)
    role: Role | None = setting(None, help="which of the hooks run here")
    predictor_host: str | None = setting(None, help="where features are sent, as HOST or HOST:PORT")
    predictor_protocol: Literal["v1"] | None = setting(
        None, help="KServe's v1 protocol alone, neither v2 nor gRPC"
    )
    predictor_use_ssl: bool | None = setting(None, help="ask the predictor over HTTPS")
    predictor_request_timeout_seconds: float | None = setting(
        None, above=0, help="seconds that the predictor may take, of those that the request has"
    )

    @property
    def beside_loop(self) -> tuple[str, ...]:
        """The `def` hooks that Lift Wing's switches keep out of the compute workers.

        They run in the async worker's process, in a thread beside its loop.
        """
        pool = self.asyncio_use_process_pool is not False
        preprocess = () if pool and self.preprocess_mp is not False else ("preprocess",)
        inference = () if pool and self.inference_mp is not False else ("predict", "postprocess")
        return preprocess + inference


@dataclass(frozen=True)
class PluginSettings:
    """The keys of ``[plugins.NAME]``."""

    workers: int | None = setting(
        None, minimum=0, maximum=MOST_WORKERS, help="compute workers; 0: one process for all"
    )
    max_requests: int | None = setting(None, minimum=1, help="answers after which a worker is replaced")
    max_rss: int | None = setting(None, minimum=1, help="bytes of memory from which on a worker is replaced")
    python: Path | None = setting(
        None, help="the interpreter of the environment that the plugin is installed in"
    )
    executor: Literal["processes", "ray"] = setting(
        "processes", help="where the workers are: here, or on Ray"
    )
    ray_num_cpus: float = setting(1.0, minimum=0, help="CPUs of Ray that a compute worker takes")
    ray_resource: str = setting("", help="the custom resource of Ray's that a node must have")


@dataclass(frozen=True)
class Settings:
    """Everything that the operator said.

    Attributes:
        host: What holds for the whole host.
        models: The names of the models to serve, in the order in which they were given.
        model_settings: The host's own keys of each model's table.
        model_tables: The rest of each model's table: for the plugin.
        plugin_settings: The keys of each plugin's table, by its name in the file, normalised.
    """

    host: HostSettings
    models: tuple[str, ...]
    model_settings: Mapping[str, ModelSettings]
    model_tables: Mapping[str, Mapping[str, Any]]
    plugin_settings: Mapping[str, PluginSettings]

    def of_model(self, name: str, distribution: str = "") -> ModelSettings:
        """A model's settings, with the host's where the model has none of its own."""
        host = self.host
        if self._own_workers(distribution) is not None:
            # The number of workers in this host's own words says whether there is a pool.
            host = dataclasses.replace(host, asyncio_use_process_pool=None)
        own = self.model_settings.get(name, ModelSettings())
        return _inherit(dataclasses.replace(own, role=role_of(name, own, host)), host)

    def served_as(self, model: str) -> str:
        """A model's name in the URL."""
        return self.host.model_name or model

    def table_of(self, distribution: str) -> str | None:
        """The name of a plugin's table, as in `plugin_settings`; None where it has none."""
        return next((name for name in names_of(distribution) if name in self.plugin_settings), None)

    def _own_settings(self, distribution: str) -> PluginSettings:
        name = self.table_of(distribution)
        return PluginSettings() if name is None else self.plugin_settings[name]

    def _own_workers(self, distribution: str) -> int | None:
        of_plugin = self._own_settings(distribution).workers
        return self.host.workers if of_plugin is None else of_plugin

    def of_plugin(
        self, distribution: str, default_workers: int, models: Iterable[str] = ()
    ) -> PluginSettings:
        """A plugin's settings, with the host's where the plugin has none of its own; `workers` is never None.

        Args:
            distribution: The plugin's full name.
            default_workers: The number of workers where nobody says one.
            models: Those of its models that are served, by their own names.
        """
        settings = _inherit(self._own_settings(distribution), self.host)
        if settings.workers is not None:
            return settings
        # Lift Wing's switches, where nobody says it in this host's own words.
        workers = self.host.asyncio_aux_workers or default_workers
        # One model that is excepted needs the workers; the others' hooks then run beside the loop.
        own = [self.model_settings.get(model, ModelSettings()) for model in models]
        excepted = any(each.asyncio_use_process_pool for each in own)
        alone = self.host.asyncio_use_process_pool is False and not excepted
        return dataclasses.replace(settings, workers=0 if alone else workers)


def _inherit(own: T, host: HostSettings) -> T:
    """`own`, with the host's values where it has none."""
    inherited = {
        field.name: getattr(host, field.name)
        for field in dataclasses.fields(own)
        if getattr(own, field.name) is None and hasattr(host, field.name)
    }
    return dataclasses.replace(own, **inherited)


def downloads_of(folder: Path, model: str) -> Path:
    """Where a model's downloaded files are."""
    return folder / model
