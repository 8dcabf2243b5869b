"""The commands ``liftwing-host events …``: for the operator, beside a host that runs or without one."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ..errors import ConfigurationError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from .tables import Dead

__all__ = ["events"]


class _Wrong(click.ClickException):
    """Something that the operator must mend; exit status 2."""

    exit_code = 2


@click.group()
def events() -> None:
    """Look after the events that EventGate did not take."""


@events.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def list_(as_json: bool) -> None:
    """List the events that EventGate did not take, and how many still wait."""
    from . import tables

    for connection in _opened():
        try:
            found = tables.dead(connection)
            waiting = tables.streams(connection)
        except Exception as error:  # noqa: BLE001 - whatever SQLite says is all there is to say
            raise _Wrong(f"The events cannot be read: {error}.") from None
        for stream, number in waiting.items():
            click.echo(f"{number} events of stream {stream} wait to be sent.", err=True)
        _show(found, as_json=as_json)


@events.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
def retry(ids: tuple[str, ...], every: bool) -> None:
    """Send events again that EventGate did not take, under the same ids. A host that runs does so within a second."""
    from . import tables

    _change(ids, tables.retry, "will be sent again", every=every)


@events.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="All of them.")
def drop(ids: tuple[str, ...], every: bool) -> None:
    """Forget events that EventGate did not take."""
    from . import tables

    _change(ids, tables.drop, "forgotten", every=every)


def _change(
    ids: tuple[str, ...], change: Callable[[sqlite3.Connection, str], int], done: str, *, every: bool
) -> None:
    from . import tables

    if bool(ids) == every:
        raise click.UsageError("Name the events by their ids, or all of them by --all.")
    number, missing = 0, list(ids)
    for connection in _opened():
        try:
            connection.execute("BEGIN IMMEDIATE")
            known = dict.fromkeys(event.id for event in tables.dead(connection))
            missing = [key for key in ids if key not in known]
            number = sum(change(connection, key) for key in known if every or key in ids)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever SQLite says is all there is to say
            raise _Wrong(f"The events cannot be changed: {error}.") from None
    if number or not missing:
        click.echo(f"{number} {'event' if number == 1 else 'events'} {done}.")
    if missing:
        raise click.ClickException(f"Not among the events that EventGate did not take: {', '.join(missing)}.")


def _opened() -> Iterator[sqlite3.Connection]:
    """The file of events, or nothing where there is none yet."""
    from .settings import database_of
    from .tables import open_tables

    try:
        path = database_of(os.environ)
        if not path.exists():
            click.echo(f"No host has kept events in {path}.", err=True)
            return
        connection = open_tables(path, make=False)
    except ConfigurationError as error:
        raise _Wrong(error.message) from None
    with closing(connection):
        yield connection


def _show(found: list[Dead], *, as_json: bool) -> None:
    if as_json:
        for event in found:
            click.echo(json.dumps(vars(event)))
    elif not sys.stdout.isatty():
        for event in found:
            click.echo("\t".join([event.id, _when(event), event.model, event.stream, event.reason]))
    elif found:
        _draw(found)
    else:
        click.echo("EventGate has taken all events.")


def _draw(found: list[Dead]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("id", "when", "model", "stream", "reason")
    for event in found:
        table.add_row(event.id, _when(event), event.model, event.stream, event.reason)
    Console(highlight=False, markup=False).print(table)


def _when(event: Dead) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(event.died, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
