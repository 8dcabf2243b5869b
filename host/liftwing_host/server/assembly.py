"""From settings and offers to pools: what is to be served, put together and not yet begun."""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..body_arena import BodyArena
from ..errors import ConfigurationError
from .cpus import available_cpus
from .discovery import Catalogue
from .pool import Pool
from .processes import Processes
from .ray_processes import RayProcesses
from .served_model import ServedModel
from .settings import PluginSettings, Settings, downloads_of

__all__ = ["assemble"]


def assemble(settings: Settings, catalogue: Catalogue, bodies: BodyArena) -> list[Pool]:
    """One pool for each plugin whose models the operator named.

    Raises:
        ConfigurationError: No model is named, or one is not installed.
    """
    if not settings.models:
        raise ConfigurationError(
            "No model to serve. Name one with --model NAME; `liftwing-host models` lists what is installed."
        )
    if settings.host.model_name and len(settings.models) > 1:
        raise ConfigurationError(
            f"model_name={settings.host.model_name!r} is the name of one model, and {len(settings.models)} are to be "
            "served. Leave it out: each then has its own name."
        )
    of_plugin: dict[str, list[ServedModel]] = defaultdict(list)
    for name in settings.models:
        offer = catalogue.find(name)
        of_plugin[offer.distribution].append(
            ServedModel(settings.served_as(name), name, offer, settings.of_model(name, offer.distribution))
        )
    return [_pool(settings, name, models, bodies) for name, models in of_plugin.items()]


def _pool(settings: Settings, name: str, models: list[ServedModel], bodies: BodyArena) -> Pool:
    cpus = available_cpus()
    own = settings.of_plugin(name, cpus, [model.model for model in models])
    orders = [_order(settings, model) for model in models]
    if own.executor == "ray":
        processes = _on_ray(settings, name, own, models, orders, bodies)
    else:
        python = models[0].offer.python or sys.executable
        # The CPUs are shared out among the workers: more threads than that would only wait for each other.
        threads = max(1, cpus // max(1, own.workers or 1))
        processes = Processes(name, orders, python, settings.host.log_level, threads, bodies)
    predictor = None
    if any(model.predictor is not None for model in models):
        from .predictor import Predictor  # It imports aiohttp, which other hosts do without.

        predictor = Predictor(models, settings.host)
    return Pool(name, models, own, settings.host.max_concurrency, processes, predictor)


def _on_ray(
    settings: Settings,
    name: str,
    own: PluginSettings,
    models: list[ServedModel],
    orders: list[dict[str, Any]],
    bodies: BodyArena,
) -> Processes:
    if settings.host.reload:
        raise ConfigurationError(
            f'--reload and [plugins.{name}] executor = "ray" exclude each other: the files of other machines are '
            "not watched. Send SIGHUP when the plugin has changed there."
        )
    if models[0].offer.python:
        own = dataclasses.replace(own, python=Path(models[0].offer.python))
    return RayProcesses(name, orders, settings.host.log_level, bodies, settings.host.ray_address, own)


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
