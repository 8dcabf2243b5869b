"""What an operator can set, under the names that Lift Wing uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from liftwing_host import ConfigurationError, setting

__all__ = ["OutlinkSettings"]


@dataclass(frozen=True)
class OutlinkSettings:
    """The plugin's settings.

    Attributes:
        wiki_url: Where MediaWiki is asked; the `Host` header then tells it which Wikipedia is meant. None:
            each Wikipedia under its own name.
        model_path: The fastText model. None: the usual places (`ModelConfig.find_file`).
        model_version: What the operator calls the model; for the log, and for events.
        eventgate_stream: The stream of the events that follow from predictions for changed pages. None: no events.
        aiohttp_client_timeout: Seconds that one call to MediaWiki may take.
        mw_api_max_retries: How often a call that failed for a passing reason is repeated.
        mw_api_retry_base_delay: Seconds before the first repetition; each further one waits twice as long.
        custom_ua: What the plugin calls itself before MediaWiki, in place of its own name.

    Raises:
        ConfigurationError: A value is not allowed.
    """

    wiki_url: str | None = setting(
        None, env="WIKI_URL", help="where MediaWiki is asked, an http or https URL"
    )
    model_path: Path | None = setting(None, env="MODEL_PATH", help="the fastText model")
    model_version: str | None = setting(None, env="MODEL_VERSION", help="what the model is called in events")
    eventgate_stream: str | None = setting(
        None, env="EVENTGATE_STREAM", help="the stream that the model's events belong to"
    )
    aiohttp_client_timeout: float = setting(
        5.0, env="AIOHTTP_CLIENT_TIMEOUT", above=0, help="seconds that one call to MediaWiki may take"
    )
    mw_api_max_retries: int = setting(
        2, env="MW_API_MAX_RETRIES", minimum=0, help="how often a failed call to MediaWiki is repeated"
    )
    mw_api_retry_base_delay: float = setting(
        0.5, env="MW_API_RETRY_BASE_DELAY", minimum=0, help="seconds before the first repetition"
    )
    custom_ua: str | None = setting(
        None, env="CUSTOM_UA", help="the User-Agent sent to MediaWiki: a name, and how to reach you"
    )

    def __post_init__(self) -> None:
        if self.wiki_url is not None and not _names_a_server(self.wiki_url):
            raise ConfigurationError(
                f"WIKI_URL={self.wiki_url!r} is not allowed: expected an http or https URL of a server, "
                f"such as 'https://en.wikipedia.org', without user, query or fragment."
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
