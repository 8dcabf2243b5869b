"""Fixtures: the stand-in, for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .stand_in import StandIn

__all__ = ["eventgate"]


@pytest.fixture
def eventgate() -> Iterator[StandIn]:
    """An EventGate that has got nothing yet."""
    with StandIn() as stand_in:
        yield stand_in
