"""The first processes of the plugins, begun before the host has imported what it serves with.

To start an interpreter and to import the worker's side takes as long as the host's own imports, and another CPU. Until its
`init` comes, which is when the host has its port and its extensions, such a process does nothing. No event loop is needed
here, and none is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from ..body_arena import BodyArena
from .chosen import ChosenPlugin
from .launch import Launcher

__all__ = ["HeadStart"]


class HeadStart:
    """What is there before the event loop is.

    Used as a context manager; at its end nothing of it is left that nobody has taken over.

    Args:
        plugins: What is to be served.

    Attributes:
        plugins: The same.
        bodies: Where the large bodies lie.
        launchers: What has begun, by the plugin's distribution.
    """

    def __init__(self, plugins: Sequence[ChosenPlugin]) -> None:
        self.plugins = plugins
        self.bodies = BodyArena()
        self.launchers: dict[str, Launcher] = {}

    def __enter__(self) -> HeadStart:
        try:
            for plugin in self.plugins:
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
