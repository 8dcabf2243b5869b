"""What an operator can set, under the names that Lift Wing uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from liftwing_host import ConfigurationError, setting

__all__ = ["RevscoringSettings"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")


@dataclass(frozen=True)
class RevscoringSettings:
    """The plugin's settings, of one model.

    Attributes:
        wiki_url: Where MediaWiki is asked. Required, but for the demo.
        wiki_host: The `Host` header of the calls to MediaWiki; None: that of `wiki_url`.
        model_path: The model file. None: the usual places (`model_file`).
        sha256: The checksum that the model file must have, in hexadecimal.
        aiohttp_client_timeout: Seconds that one call to MediaWiki may take.
        log_json_payload: Whether the payload of each request is logged, with the request's id.
        eventgate_stream: The stream of the events. None: there are no events.
        custom_ua: What the plugin calls itself before MediaWiki, in place of its own name.

    Raises:
        ConfigurationError: A value is not allowed.
    """

    wiki_url: str | None = setting(
        None, env="WIKI_URL", help="where MediaWiki is asked, an http or https URL"
    )
    wiki_host: str | None = setting(
        None, env="WIKI_HOST", help="the Host header of the calls to MediaWiki, such as en.wikipedia.org"
    )
    model_path: Path | None = setting(None, env="MODEL_PATH", help="the model file")
    sha256: str | None = setting(None, env="MODEL_SHA256", help="the checksum of the model file, 64 digits")
    aiohttp_client_timeout: float = setting(
        5.0, env="AIOHTTP_CLIENT_TIMEOUT", above=0, help="seconds that one call to MediaWiki may take"
    )
    log_json_payload: bool = setting(
        False, env="LOG_JSON_PAYLOAD", help="whether the payload of each request is logged"
    )
    eventgate_stream: str | None = setting(None, env="EVENTGATE_STREAM", help="the stream of the events")
    custom_ua: str | None = setting(
        None, env="CUSTOM_UA", help="the User-Agent sent to MediaWiki: a name, and how to reach you"
    )

    def __post_init__(self) -> None:
        if self.wiki_url is not None and not _names_a_server(self.wiki_url):
            raise ConfigurationError(
                f"WIKI_URL={self.wiki_url!r} is not allowed: expected an http or https URL of a server, "
                f"such as 'https://en.wikipedia.org', without user, query or fragment."
            )
        if self.wiki_host is not None and not _HOST.fullmatch(self.wiki_host):
            raise ConfigurationError(
                f"WIKI_HOST={self.wiki_host!r} is not allowed: expected the name of a host, "
                f"such as 'en.wikipedia.org'."
            )
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise ConfigurationError(
                f"sha256={self.sha256!r} is not allowed: expected 64 hexadecimal digits, as `sha256sum` prints."
            )
        if self.custom_ua is not None and not (self.custom_ua.isascii() and self.custom_ua.isprintable()):
            raise ConfigurationError(
                f"CUSTOM_UA={self.custom_ua!r} is not allowed: expected printable ASCII characters."
            )


def _names_a_server(url: str) -> bool:
    if not (url.isascii() and url.isprintable()) or " " in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and "@" not in parts.netloc
        and not (parts.query or parts.fragment)
    )
