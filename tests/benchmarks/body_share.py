"""What a body of 1 MB costs the host, beside a request without one: `PYTHONPATH=tests .venv/bin/python tests/benchmarks/body_share.py`.

Both requests have the workers decode the same 1 MB of JSON: `length` is sent it, `parses` has it. So the caches that the host
finds are the same, and the difference is what the body costs. Rounds in turn, medians, wrk with 4 connections.
"""

from __future__ import annotations

import statistics

from benchmarks import wrk
from benchmarks.live_server import LiveServer
from benchmarks.server import LIFTWING

MODELS = ("length", "parses")
ROUNDS, SECONDS = 6, 3


def main() -> None:
    """Measure, and print a table."""
    costs: dict[str, list[tuple[float, float]]] = {model: [] for model in MODELS}
    with LiveServer(LIFTWING, MODELS) as live:
        for number in range(ROUNDS + 1):
            for model in MODELS:
                before = live.cpu_time()
                answered = wrk.load(live.port, LIFTWING.question(model), 4, SECONDS).answered
                spent = live.cpu_time().since(before)
                if number:  # The first round warms up.
                    costs[model].append((spent["first"] / answered, spent["all"] / answered))
    print("CPU time a request: of the host, of all, the host's share")
    for model, each in costs.items():
        host, everything = (statistics.median(part) for part in zip(*each, strict=True))
        print(f"{model:8} {host * 1e3:.2f} ms  {everything * 1e3:.2f} ms  {host / everything:.2f}")


if __name__ == "__main__":
    main()
