"""What the operator may call a plugin in ``[plugins.NAME]``: its distribution's name as pip compares names, with or without
the prefix."""

from __future__ import annotations

import re

__all__ = ["PREFIX", "names_of", "normalized"]

PREFIX = "liftwing-plugin-"


def normalized(name: str) -> str:
    """A distribution's name in the form in which two spellings of it are the same (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(distribution: str) -> tuple[str, ...]:
    """What a plugin may be called, normalised, the full name first."""
    full = normalized(distribution)
    return (full, full.removeprefix(PREFIX)) if full.startswith(PREFIX) else (full,)
