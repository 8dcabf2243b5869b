"""Writes the TOML file of `--config` from a test's dicts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["as_toml"]


def as_toml(tables: Mapping[str, Any]) -> str:
    """The keys of a mapping as TOML.

    Raises:
        TypeError: A value is None, or of another type that TOML does not have; the message names its key.
    """
    return "\n".join(_lines(tables, ())) + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(map(_text, path))}]"] if path else []
    lines += [
        f"{_text(key)} = {_value(value, key, path)}" for key, value in table.items() if not _is_table(value)
    ]
    for key, value in table.items():
        if _is_table(value):
            lines += _lines(value, (*path, key))
    return lines


def _value(value: Any, key: str, path: tuple[str, ...]) -> str:
    where = f"[{'.'.join(path)}] {key}" if path else key
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each, key, path) for each in value)}]"
    if value is None:
        raise TypeError(
            f"{where} is None, which a configuration file cannot say: leave {key} out, and it has its default."
        )
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str | bool | int | float):
        raise TypeError(f"{where} is {value!r}, and must be a str, int, float, bool, Path, list or dict.")
    return _text(value)


def _text(value: str | float) -> str:
    """JSON's strings and numbers are TOML's, too, where nothing is written as half a pair of surrogates."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)
