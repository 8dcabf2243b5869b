"""ORES' URLs in front of the revscoring models that the host serves.

What it answers is what Wikimedia's ores-legacy answers, for the models of this host and without a hop over HTTP.
"""

from __future__ import annotations

import os

from liftwing_host import hookimpl, read_settings
from liftwing_host.extension import HostView, Route

from .settings import OresSettings

__all__ = ["liftwing_routes"]


@hookimpl
def liftwing_routes(host: HostView) -> list[Route]:
    """ORES' URLs.

    Raises:
        liftwing_host.ConfigurationError: A variable of the environment is wrong.
    """
    # Not above: every command of the host, even its --help, imports the extensions for theirs.
    from .urls import routes

    return routes(host, read_settings(OresSettings, environ=os.environ))
