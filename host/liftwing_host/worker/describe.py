"""DESCRIBING PROCESS: imports plugins to tell what they bring, loads no model, and ends."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from ..wire import Head
from .connection import Connection
from .declarations import declared_files
from .failures import text_of, traceback_of
from .plugin import ModelOrder, import_entry_point

__all__ = ["describe"]


def describe(connection: Connection, orders: Sequence[ModelOrder]) -> None:
    """Tell the host of each model what its plugin says of it, or why the plugin cannot be imported."""
    for order in orders:
        try:
            head = _description(import_entry_point(order.entry_point))
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything when it is imported
            text = f"{type(error).__name__}: {text_of(error)}"
            head = {"error": text, "traceback": traceback_of(error)}
        connection.send({"kind": "described", "model": order.name} | head)


def _description(found: Any) -> Head:
    files = [dataclasses.asdict(file) for file in declared_files(found)]
    # Its own words, and not those of the class that it derives from.
    return {"files": files, "summary": inspect.cleandoc(found.__doc__ or "").partition("\n")[0]}
