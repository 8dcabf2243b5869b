"""Counts the requests to each model, and how long they took. Host process."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Tally"]

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds."""


class Tally:
    """The requests that were answered.

    Args:
        models: Those that are served; requests to others are not counted, since anyone can make up names.
    """

    def __init__(self, models: Mapping[str, object]) -> None:
        self._models = models
        self._requests: dict[str, _Requests] = {}

    def of(self, model: str) -> Callable[[int, float], None]:
        """What is to be told the status of the answer to a request, and how many seconds it took."""
        requests = self._requests.get(model)
        if requests is None:
            if model not in self._models:
                return _ignore
            requests = self._requests[model] = _Requests()
        return requests.answered

    def families(self) -> list[Any]:
        """As metric families of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "liftwing_requests", "Requests to models that were answered.", labels=["model", "status"]
        )
        for model, answered in self._requests.items():
            for status, number in answered.statuses.items():
                requests.add_metric([model, str(status)], number)
        times = HistogramMetricFamily(
            "liftwing_request_seconds", "From a request's arrival to its answer.", labels=["model"]
        )
        names = [*map(str, _BUCKETS), "+Inf"]
        for model, answered in self._requests.items():
            buckets = list(zip(names, itertools.accumulate(answered.times), strict=True))
            times.add_metric([model], buckets, answered.seconds)
        return [requests, times]


class _Requests:
    """Those to one model.

    Attributes:
        statuses: How many were answered with each status.
        times: How many took as long as each bucket says, and longer than the one before.
        seconds: How long all of them took.
    """

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.times = [0] * (len(_BUCKETS) + 1)
        self.seconds = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """One more."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.times[bisect.bisect_left(_BUCKETS, seconds)] += 1
        self.seconds += seconds


def _ignore(status: int, seconds: float) -> None:
    pass
