"""What an operator can set, under the name that ores-legacy uses."""

from __future__ import annotations

from dataclasses import dataclass

from liftwing_host import setting

__all__ = ["OresSettings"]


@dataclass(frozen=True)
class OresSettings:
    """The extension's settings.

    Attributes:
        lw_request_limit: The most scores that one request to ``/v3/scores/CONTEXT`` may ask for.
    """

    lw_request_limit: int = setting(
        20, env="LW_REQUEST_LIMIT", minimum=1, help="scores that one request may ask for"
    )
