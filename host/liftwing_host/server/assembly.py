"""From the chosen plugins to pools: what is to be served, put together and not yet begun."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..body_arena import BodyArena
from ..errors import ConfigurationError
from .chosen import ChosenPlugin
from .launch import Launcher
from .pool import Pool
from .processes import Processes
from .ray_processes import RayProcesses
from .served_model import ServedModel
from .settings import Settings, downloads_of

__all__ = ["assemble"]


def assemble(
    settings: Settings,
    plugins: Iterable[ChosenPlugin],
    bodies: BodyArena,
    launchers: Mapping[str, Launcher] | None = None,
) -> list[Pool]:
    """One pool for each plugin.

    Args:
        settings: What the operator wants.
        plugins: Those whose models the operator named.
        bodies: Where the large bodies lie.
        launchers: What has begun processes for a plugin already, by its distribution.

    Raises:
        ConfigurationError: The settings of a model or a plugin exclude each other.
    """
    return [_pool(settings, plugin, bodies, (launchers or {}).get(plugin.name)) for plugin in plugins]


def _pool(settings: Settings, plugin: ChosenPlugin, bodies: BodyArena, begun: Launcher | None) -> Pool:
    name, own = plugin.name, plugin.settings
    models = [
        ServedModel(settings.served_as(model), model, offer, settings.of_model(model, name))
        for model, offer in plugin.offers.items()
    ]
    orders = [_order(settings, model) for model in models]
    processes: Processes
    if own.executor == "ray":
        processes = _on_ray(settings, plugin, orders, bodies)
    else:
        launcher = begun or Launcher(plugin.python, bodies)
        processes = Processes(name, orders, launcher, settings.host.log_level, plugin.threads)
    predictor = None
    if any(model.predictor is not None for model in models):
        from .predictor import Predictor  # It imports aiohttp, which other hosts do without.

        predictor = Predictor(models, settings.host)
    return Pool(name, models, own, settings.host.max_concurrency, processes, predictor)


def _on_ray(
    settings: Settings, plugin: ChosenPlugin, orders: list[dict[str, Any]], bodies: BodyArena
) -> Processes:
    name, own = plugin.name, plugin.settings
    if settings.host.reload:
        raise ConfigurationError(
            f'--reload and [plugins.{name}] executor = "ray" exclude each other: the files of other machines are '
            "not watched. Send SIGHUP when the plugin has changed there."
        )
    if plugin.python != sys.executable:
        own = dataclasses.replace(own, python=Path(plugin.python))
    # Nothing of the bodies can be read on another machine; the bridge is begun as other child processes are.
    launcher = Launcher(sys.executable, bodies, "liftwing_host.ray")
    return RayProcesses(name, orders, launcher, settings.host.log_level, settings.host.ray_address, own)


def _order(settings: Settings, model: ServedModel) -> dict[str, Any]:
    """What `init` tells a template about a model: the fields of `liftwing_host.worker.plugin.ModelOrder`."""
    return {
        "name": model.name,
        "model": model.model,
        "entry_point": model.offer.entry_point,
        "table": settings.model_tables.get(model.model, {}),
        "demo": settings.host.demo,
        "downloads": str(downloads_of(settings.host.downloads, model.model)),
        "beside_loop": model.settings.beside_loop,
        "max_batch_size": model.settings.max_batch_size,
        "dev": settings.host.dev,
        "role": model.role,
    }
