"""Which wikis and models ORES' clients find here: those of the host's models that are named WIKI-KIND."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ALIASES", "KINDS", "contexts", "name_of"]

KINDS = (
    "articlequality",
    "articletopic",
    "damaging",
    "draftquality",
    "drafttopic",
    "goodfaith",
    "itemquality",
    "itemtopic",
    "reverted",
)
"""The kinds of models that ORES had."""

ALIASES = {"wp10": "articlequality"}
"""Names that ORES' clients still use, and the kinds that are meant."""


def contexts(names: Iterable[str]) -> dict[str, list[str]]:
    """The wikis that there are models for, and the kinds of these, both in alphabetical order.

    Args:
        names: The names of the host's models; those of no such kind are left out.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        context, _, kind = name.rpartition("-")
        if context and kind in KINDS:
            found.setdefault(context, []).append(kind)
    return found


def name_of(context: str, model: str) -> str:
    """The host's name of a model.

    Args:
        context: The wiki.
        model: The model as ORES' clients call it.
    """
    return f"{context}-{ALIASES.get(model, model)}"
