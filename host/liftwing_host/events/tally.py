"""What has become of events since the host began, as counters for `GET /metrics`. Host process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["Tally"]


class Tally:
    """Counts events by their stream.

    Attributes:
        sent: EventGate took them.
        rejected: EventGate did not take them; they are kept aside.
        lost: They are gone: they could not be kept, or, where nothing is kept, not be sent.
    """

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()

    def families(self, waiting: Mapping[str, int], dead: int) -> list[Any]:
        """As metric families of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: list[Any] = []
        for name, text, counted in (
            ("sent", "Events that EventGate took.", self.sent),
            ("rejected", "Events that EventGate did not take.", self.rejected),
            ("lost", "Events that could be neither kept nor sent.", self.lost),
        ):
            counter = CounterMetricFamily(f"liftwing_events_{name}", text, labels=["stream"])
            for stream, number in counted.items():
                counter.add_metric([stream], number)
            families.append(counter)
        line = GaugeMetricFamily(
            "liftwing_events_waiting", "Events that are still to be sent.", labels=["stream"]
        )
        for stream in sorted({*waiting, *self.sent, *self.rejected}):
            line.add_metric([stream], waiting.get(stream, 0))
        families.append(line)
        families.append(GaugeMetricFamily("liftwing_events_dead", "Events that are kept aside.", value=dead))
        return families
