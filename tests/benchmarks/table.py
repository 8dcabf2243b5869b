"""The tables that are printed: what was measured, how it compares, and what was to be reached."""

from __future__ import annotations

from .journal import Journal
from .server import FLOOR, KSERVE, LIFTWING, SERVERS
from .target import PEERS, TARGETS
from .workload import WORKLOADS

__all__ = ["render"]

NAME = 15
CELL = 14


def render(journal: Journal) -> str:
    """All tables, for a terminal of 120 columns."""
    return "\n\n".join(
        part
        for part in (
            _loads(journal),
            _ratios(journal),
            _numbers(journal),
            _targets(journal),
            _faults(journal),
        )
        if part
    )


def _loads(journal: Journal) -> str:
    lines = [
        "Good answers a second / p99 in ms (neighbour: p99 of the probe in ms); medians over the rounds",
        _row("", [workload.name for workload in WORKLOADS]),
    ]
    for server in SERVERS:
        cells = [_load(journal, workload.name, server.name) for workload in WORKLOADS]
        if any(cells):
            lines.append(_row(server.name, [cell or "-" for cell in cells]))
    return "\n".join([*lines, *_cpu(journal)]) if len(lines) > 2 else ""


def _load(journal: Journal, workload: str, server: str) -> str:
    rate, p99 = journal.rate(workload, server), journal.p99(workload, server)
    if rate is None or p99 is None:
        return ""
    if workload == "neighbour":
        return f"{p99:.1f}"
    return f"{rate:,.0f} / {p99:.0f}"


def _cpu(journal: Journal) -> list[str]:
    """What a request costs here, in CPU time."""
    cells = []
    for workload in WORKLOADS:
        cost = journal.cpu_ms(workload.name, LIFTWING.name)
        share = journal.share_of_first(workload.name, LIFTWING.name)
        known = cost is not None and share is not None and workload.connections
        cells.append(f"{cost:.2f} ({share:.0%})" if known else "-")
    if all(cell == "-" for cell in cells):
        return []
    return [
        "",
        _row("CPU ms a request", cells),
        "  of liftwing-host; in brackets the share of its first process, the host",
    ]


def _ratios(journal: Journal) -> str:
    """Our rate over the others'; for the probe, their latency over ours: more is better everywhere."""
    lines = [
        "liftwing-host is so many times better (rates; neighbour: p99)",
        _row("than", [workload.name for workload in WORKLOADS]),
    ]
    rows = {"best peer": PEERS, KSERVE.name: (KSERVE.name,), FLOOR.name: (FLOOR.name,)}
    for title, servers in rows.items():
        cells = [_ratio(journal, workload.name, servers) for workload in WORKLOADS]
        if any(cells):
            lines.append(_row(title, [cell or "-" for cell in cells]))
    return "\n".join(lines) if len(lines) > 2 else ""


def _ratio(journal: Journal, workload: str, servers: tuple[str, ...]) -> str:
    value = journal.p99 if workload == "neighbour" else journal.rate
    ours = value(workload, LIFTWING.name)
    known = [other for name in servers if (other := value(workload, name))]
    if not ours or not known:
        return ""
    return f"{min(known) / ours if workload == 'neighbour' else ours / max(known):.2f}"


def _numbers(journal: Journal) -> str:
    lines = []
    for what in dict.fromkeys(one["what"] for one in journal.numbers):
        unit = "MiB of memory (PSS)" if what.startswith("memory") else "seconds"
        lines.append(f"{_TITLES.get(what, what)}, {unit}")
        for server in SERVERS:
            value = journal.number(what, server.name)
            if value is not None:
                shown = f"{value:,.0f}" if what.startswith("memory") else f"{value:.2f}"
                lines.append(f"  {server.name:<{NAME}}{shown:>10}")
    return "\n".join(lines)


_TITLES = {
    "memory": "4 models of 50 MB (liftwing-host: 4 plugins, 2 workers each)",
    "memory, one plugin": "4 models of 50 MB in one plugin, 2 workers",
    "memory, 200 MB, workers=1": "one model of 200 MB, 1 worker",
    "memory, 200 MB, workers=4": "one model of 200 MB, 4 workers",
    "ready": "from the start to the first answer",
    "help": "--help",
}


def _targets(journal: Journal) -> str:
    lines = [f"{'target':<52}{'wanted':>9}{'measured':>10}"]
    for target in TARGETS:
        measured = target.measured(journal)
        if measured is None:
            continue
        value, whom = measured
        verdict = "ok" if target.reached(value) else "NOT YET"
        compared = f"  ({whom})" if whom else ""
        lines.append(
            f"{target.title:<52}{target.sign + f' {target.limit:.3g}':>9}{value:>10.2f}  {verdict}{compared}"
        )
    return "\n".join(lines) if len(lines) > 1 else ""


def _faults(journal: Journal) -> str:
    lines = []
    for workload in WORKLOADS:
        for server in SERVERS:
            count = journal.faults(workload.name, server.name)
            if count:
                lines.append(f"{workload.name}, {server.name}: {count} requests refused or broken")
    lines += [f"{one['what']}, {one['server']}: {one['why'].splitlines()[0]}" for one in journal.failures]
    return "\n".join(["Faults", *lines]) if lines else ""


def _row(name: str, cells: list[str]) -> str:
    return f"{name:<{NAME + 2}}" + "".join(f"{cell:>{CELL}}" for cell in cells)
