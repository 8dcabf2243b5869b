"""What stands towards clients: the routes, and the server that reads requests for them. Host process.

Imported only when the processes that load the models have been begun: what it takes of Tornado alone costs 40 ms.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..extension import Route
from .app import Application
from .host import Host
from .llhttp import LlhttpServer
from .tornado_http import TornadoServer

__all__ = ["Server", "front"]

Server = LlhttpServer | TornadoServer

_SERVERS: dict[str, type[Server]] = {"llhttp": LlhttpServer, "tornado": TornadoServer}


def front(host: Host, routes: Iterable[Route]) -> Server:
    """The server that the operator chose, for the host's own routes and others. It does not listen yet.

    Raises:
        ConfigurationError: The pattern of a route is none.
    """
    return _SERVERS[host.settings.http](Application(host, routes))
