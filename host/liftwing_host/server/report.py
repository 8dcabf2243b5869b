"""What the operator sees on the terminal, or in the log, while the host starts."""

from __future__ import annotations

import json
import logging
import re
import shlex
import sys
from collections.abc import Iterable
from typing import Any

from ..wire import Head
from .host import Host
from .served_model import Leg, ServedModel

__all__ = ["Reporter", "make_reporter"]

log = logging.getLogger("liftwing_host")

_MIB = 1 << 20


class Reporter:
    """Plain lines, for a log."""

    def listening(self, address: str, port: int) -> None:
        """The port is open; models load."""
        log.info("listening on %s port %d", address or "all addresses,", port)

    def loading(self, models: Iterable[ServedModel]) -> None:
        """These models are about to be loaded."""
        for model in models:
            log.info("loading %s (%s %s)", model.name, model.offer.distribution, model.offer.version)

    def heard(self, head: Head) -> None:
        """A process told something while it loads."""
        if head["kind"] == "loaded" and "error" not in head:
            log.info("loaded %s in %.2f s", head["model"], head["seconds"])

    def started(self, host: Host, port: int) -> None:
        """Every model serves or has failed."""
        for model in host.models.values():
            log.log(logging.INFO if model.ready else logging.ERROR, "%s", _line(model, port))

    def close(self) -> None:
        """The host ends."""


class TerminalReporter(Reporter):
    """A display that moves while models load, then a table."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, highlight=False)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._tasks: dict[str, Any] = {}

    def listening(self, address: str, port: int) -> None:  # noqa: ARG002
        return

    def loading(self, models: Iterable[ServedModel]) -> None:
        for model in models:
            described = f"{model.name} [dim]({model.offer.distribution} {model.offer.version})[/]"
            self._tasks[model.name] = self._progress.add_task(f"waiting  {described}", total=None)
        self._progress.start()

    def heard(self, head: Head) -> None:
        name = head["model"]
        what = {"loading": "loading  ", "loaded": "loaded   "}[head["kind"]]
        done = 1 if head["kind"] == "loaded" else None
        self._progress.update(self._tasks[name], description=f"{what}{name}", total=done, completed=done or 0)

    def started(self, host: Host, port: int) -> None:
        self._progress.stop()
        for model in host.models.values():
            mark = "[green]✔[/]" if model.ready else "[red]✘[/]"
            self._console.print(mark, end=" ")
            # Brackets in what went wrong, such as [models.NAME], are no markup.
            self._console.print(_line(model, port), soft_wrap=True, markup=False, emoji=False)
        self._console.print("[dim]Press Ctrl-C to end.[/]")

    def close(self) -> None:
        self._progress.stop()


def make_reporter() -> Reporter:
    """The reporter that fits where stderr goes."""
    return TerminalReporter() if sys.stderr.isatty() else Reporter()


def _line(model: ServedModel, port: int) -> str:
    """All about a model in a line, and what to do where it failed."""
    brought = f"{model.offer.distribution} {model.offer.version}"
    if not model.ready:
        problem = model.problem or "no worker could be started"
        trace = f"\n{model.traceback.rstrip()}" if model.traceback else ""
        return f"{model.name} ({brought}) is NOT READY: {problem}{trace}"
    count = len(model.pool.live_workers())
    workers = "1 worker" if count == 1 else f"{count} workers"
    legs = ", then ".join(f"{' + '.join(leg.hooks)} ({_place(leg, model)})" for leg in model.legs)
    role = "" if model.role == "all" else f" as {model.role}"
    example = "{}" if model.example is None else json.dumps(model.example)
    curl = f"; try: curl localhost:{port}/v1/models/{_in_url(model.name)}:predict -d {shlex.quote(example)}"
    return (
        f"{model.name} ({brought}) is ready{role}: loaded in {model.seconds:.2f} s, "
        f"{model.memory / _MIB:.0f} MiB, {workers}; {legs}" + (curl if model.role != "predictor" else "")
    )


def _in_url(name: str) -> str:
    """A name as a URL and a shell take it."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        return name
    # A start waits for no import that hardly any name needs.
    from urllib.parse import quote

    return quote(name, safe="")


def _place(leg: Leg, model: ServedModel) -> str:
    """Where a leg runs."""
    return leg.kind if model.predictor is None or leg.kind != "remote" else model.predictor.url(model.name)
