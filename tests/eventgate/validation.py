"""What EventGate makes of one event: it is valid, invalid, or EventGate cannot tell."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

__all__ = ["judge"]

SCHEMAS = Path(__file__).with_name("schemas")


def judge(event: Any) -> tuple[str, dict[str, Any]]:
    """``success``, ``invalid`` or ``error``, and the context that EventGate gives with it."""
    name = event.get("$schema") if isinstance(event, dict) else None
    if not isinstance(name, str):
        return "error", {"message": "Failed extracting schema URI from event at field $schema."}
    validator = _validator(name)
    if validator is None:
        return "error", {"message": f"Failed loading schema at {name}"}
    errors = [
        {"keyword": error.validator, "dataPath": _path(error.absolute_path), "message": error.message}
        for error in validator.iter_errors(event)
    ]
    return ("invalid", {"errors": errors, "errorsText": str(errors)}) if errors else ("success", {})


@functools.cache
def _validator(name: str) -> Draft7Validator | None:
    path = SCHEMAS / f"{name.strip('/')}.json"
    if not path.exists():
        return None
    schema = json.loads(path.read_text())
    # Wikimedia's schemas name their draft by https, which jsonschema does not know.
    schema.pop("$schema")
    return Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)


def _path(parts: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
