"""What a hook may know about the request that it works for: read-only, made anew for each leg."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Request"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Request:
    """One request, as its hooks see it.

    Attributes:
        id: The client's `x-request-id`, or one that the host made.
        model: The name of the model that was asked.
        protocol: `"v1"`: KServe's first inference protocol.
        headers: The client's headers; names in lower case, values as sent.
        deadline: The moment at which the client's time is over, on the clock of `time.monotonic`, in seconds.
            That clock is one for all processes of a machine.
    """

    id: str
    model: str
    protocol: str = "v1"
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    deadline: float = float("inf")

    def remaining(self) -> float:
        """The seconds that are left until the deadline; 0.0 once it has passed."""
        return max(0.0, self.deadline - time.monotonic())
