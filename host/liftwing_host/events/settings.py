"""What the operator says about events, by Lift Wing's variables and two of our own. Host process."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import platformdirs

from ..certificates import tls_context
from ..errors import ConfigurationError
from ..setting import read_settings, setting

__all__ = ["EventSettings", "database_of", "read"]

DATABASE = "LIFTWING_EVENTS"


@dataclass(frozen=True)
class EventSettings:
    """See docs/events.md."""

    url: str = setting("", env="EVENTGATE_URL", help="where EventGate takes events")
    delivery: Literal["queue", "sync"] = setting(
        "queue", env="EVENTGATE_DELIVERY", help="queue: kept on disk and sent; sync: sent before the answer"
    )
    attempts: int = setting(
        10, env="EVENTGATE_ATTEMPTS", minimum=1, help="times that an event is tried which EventGate fails at"
    )
    timeout: float = setting(
        5.0, env="AIOHTTP_CLIENT_TIMEOUT", above=0, help="seconds that EventGate may take to answer"
    )
    ca_bundle: Path | None = setting(
        None, env="REQUESTS_CA_BUNDLE", help="the certificates by which EventGate's is checked"
    )
    database: Path = setting(
        platformdirs.user_data_path("liftwing-host", appauthor=False) / "events.sqlite",
        env=DATABASE,
        help="the file that keeps events until they are sent",
    )

    def tls(self) -> ssl.SSLContext | None:
        """How EventGate's certificate is checked; None where the URL is plain HTTP.

        Raises:
            ConfigurationError: There are no certificates where REQUESTS_CA_BUNDLE says.
        """
        if urlsplit(self.url).scheme != "https":
            return None
        return tls_context(self.ca_bundle)


def read(environ: Mapping[str, str]) -> EventSettings:
    """Read and check them.

    Raises:
        ConfigurationError: Names the variable, the value and what is allowed.
    """
    settings = read_settings(EventSettings, environ=environ)
    try:
        parts = urlsplit(settings.url)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ConfigurationError(
            f"EVENTGATE_URL={settings.url!r} is not allowed: expected the URL that takes events, "
            "such as https://eventgate.example.org:4492/v1/events."
        )
    return settings


def database_of(environ: Mapping[str, str]) -> Path:
    """Where the events are, whatever else is set."""
    return read_settings(EventSettings, environ={DATABASE: environ.get(DATABASE, "")}).database
