"""The first processes of the plugins, begun before the host has imported what it serves with.

To start an interpreter and to import the worker's side takes as long as the host's own imports, and another CPU. Until its
`init` comes, which is when the host has its port and its extensions, such a process does nothing. No event loop is needed
here, and none is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

from ..body_arena import BodyArena
from ..errors import ConfigurationError
from .cpus import available_cpus
from .discovery import Catalogue, Offer
from .launch import Launcher
from .settings import PluginSettings, Settings

__all__ = ["ChosenPlugin", "HeadStart", "chosen_plugins"]


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


class HeadStart:
    """What is there before the event loop is.

    Used as a context manager; at its end nothing of it is left that nobody has taken over.

    Args:
        plugins: What is to be served.

    Attributes:
        bodies: Where the large bodies lie.
        launchers: What has begun, by the plugin's distribution.
    """

    def __init__(self, plugins: Iterable[ChosenPlugin]) -> None:
        self._plugins = plugins
        self.bodies = BodyArena()
        self.launchers: dict[str, Launcher] = {}

    def __enter__(self) -> HeadStart:
        try:
            for plugin in self._plugins:
                if plugin.settings.executor == "processes":
                    launcher = self.launchers[plugin.name] = Launcher(plugin.python, self.bodies)
                    # The template, which is to fork; or else the one process that does everything.
                    launcher.launch_ahead(1 if plugin.settings.workers else plugin.threads)
        except BaseException as error:  # Such as Ctrl-C.
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for launcher in self.launchers.values():
            launcher.close()
        self.bodies.close()
