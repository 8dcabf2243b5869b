"""From settings and offers to plugins: whose models are to be served, by which interpreter, and how many workers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ConfigurationError
from .cpus import available_cpus
from .discovery import Catalogue, Offer
from .settings import PluginSettings, Settings

__all__ = ["ChosenPlugin", "chosen_plugins"]


@dataclass(frozen=True)
class ChosenPlugin:
    """A plugin of which models are to be served.

    Attributes:
        name: Its distribution.
        offers: What brings each of the models, by the model's own name.
        settings: The operator's settings for it; `workers` is never None.
        threads: How many threads each worker's numeric libraries may use.
    """

    name: str
    offers: Mapping[str, Offer]
    settings: PluginSettings
    threads: int

    @property
    def python(self) -> str:
        """Its interpreter."""
        return next(iter(self.offers.values())).python or sys.executable


def chosen_plugins(settings: Settings, catalogue: Catalogue) -> list[ChosenPlugin]:
    """The plugins whose models the operator named.

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
    of_plugin: dict[str, dict[str, Offer]] = {}
    for model in settings.models:
        offer = catalogue.find(model)
        of_plugin.setdefault(offer.distribution, {})[model] = offer
    cpus = available_cpus()
    chosen = []
    for name, offers in of_plugin.items():
        own = settings.of_plugin(name, cpus, offers)
        # The CPUs are shared out among the workers: more threads than that would only wait for each other.
        chosen.append(ChosenPlugin(name, offers, own, max(1, cpus // max(1, own.workers or 1))))
    return chosen
