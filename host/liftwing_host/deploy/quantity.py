"""Kubernetes' quantities: `500m` is half of something, `2Gi` is 2 << 30."""

from __future__ import annotations

import re
from decimal import Decimal

from ..errors import ConfigurationError

__all__ = ["parse_quantity"]

_SUFFIXES = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_FORM = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(_SUFFIXES)})")


def parse_quantity(key: str, text: str, example: str) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ConfigurationError: It is none, or not greater than 0.
    """
    matched = _FORM.fullmatch(text)
    if matched is None or not (number := Decimal(matched[1]) * _SUFFIXES[matched[2]]):
        raise ConfigurationError(
            f"{key}={text!r} is not allowed: expected a quantity of Kubernetes greater than 0, such as {example}."
        )
    return number
