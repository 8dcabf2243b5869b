"""Counts the requests to each model, and how long they took. Host process."""

from __future__ import annotations

import bisect
import functools
import itertools
import time
from collections import Counter
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
        self._counts: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def begun(self, model: str) -> Callable[[int], None]:
        """A request has arrived; what is to be told the status of its answer."""
        return functools.partial(self._answered, model, time.perf_counter())

    def _answered(self, model: str, began: float, status: int) -> None:
        if model not in self._models:
            return
        seconds = time.perf_counter() - began
        self._counts[model, status] += 1
        if model not in self._times:
            self._times[model] = [0] * (len(_BUCKETS) + 1)
        self._times[model][bisect.bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[model] += seconds  # type: ignore[assignment] # a Counter of seconds

    def families(self) -> list[Any]:
        """As metric families of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "liftwing_requests", "Requests to models that were answered.", labels=["model", "status"]
        )
        for (model, status), number in self._counts.items():
            requests.add_metric([model, str(status)], number)
        times = HistogramMetricFamily(
            "liftwing_request_seconds", "From a request's arrival to its answer.", labels=["model"]
        )
        names = [*map(str, _BUCKETS), "+Inf"]
        for model, numbers in self._times.items():
            buckets = list(zip(names, itertools.accumulate(numbers), strict=True))
            times.add_metric([model], buckets, self._seconds[model])
        return [requests, times]
