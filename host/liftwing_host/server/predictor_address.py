"""Where a transformer's predictor is."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .settings import ModelSettings

__all__ = ["PredictorAddress"]

_AUTHORITY = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?)(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True)
class PredictorAddress:
    """Where a model's features are sent.

    Attributes:
        authority: `HOST` or `HOST:PORT`.
        tls: Whether by HTTPS.
        timeout: Seconds that the predictor may take, of those that the request has; None: all of them.
    """

    authority: str
    tls: bool = False
    timeout: float | None = None

    @classmethod
    def of(cls, settings: ModelSettings) -> PredictorAddress:
        """What a transformer's settings say.

        Raises:
            ConfigurationError: `predictor_host` is no host and port; the message says what is expected.
        """
        assert settings.predictor_host is not None
        _check(settings.predictor_host)
        return cls(
            settings.predictor_host,
            bool(settings.predictor_use_ssl),
            settings.predictor_request_timeout_seconds,
        )

    def url(self, model: str) -> str:
        """Where KServe's v1 protocol has a model's predictions."""
        return (
            f"{'https' if self.tls else 'http'}://{self.authority}/v1/models/{quote(model, safe='')}:predict"
        )

    def is_told_by(self, text: str) -> bool:
        """Whether a text names it."""
        return self.authority in text or f"//{urlsplit('//' + self.authority).hostname}" in text


def _check(text: str) -> None:
    problem = _problem(text)
    if problem:
        raise ConfigurationError(
            f"predictor_host={text!r} is not allowed: {problem}. Expected HOST or HOST:PORT, such as "
            "predictor.example.org:8080, 10.0.0.7:8080 or [::1]:8080."
        )


def _problem(text: str) -> str | None:
    """What is wrong with it."""
    if "://" in text:
        return "it must be without a scheme; predictor_use_ssl says whether it is asked over HTTPS"
    if "/" in text:
        return "it must be without a path; that is /v1/models/NAME:predict, always"
    if text.count(":") > 1 and not text.startswith("["):
        return "an IPv6 address must be in brackets"
    found = _AUTHORITY.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) <= 65535 or not _is_address(found["address"]):
        return "that is no name or address, or no port"
    return None


def _is_address(text: str | None) -> bool:
    """Whether what stands in brackets, if there is anything, is an address."""
    try:
        return text is None or ipaddress.ip_address(text).version == 6
    except ValueError:
        return False
