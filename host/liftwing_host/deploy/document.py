"""Manifests as YAML that a person can read: with the reasons where an operator would ask why."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Because", "write"]

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""What YAML 1.1 reads as something else than text where it is not quoted: kubectl reads YAML 1.1."""


@dataclass(frozen=True)
class Because:
    """A value, and the reason for it: a comment above its key."""

    value: Any
    reason: str


def write(manifests: Iterable[Mapping[str, Any]]) -> str:
    """One YAML document for each manifest, in their order."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 1 << 16
    yaml.indent(mapping=2, sequence=4, offset=2)
    texts = []
    for manifest in manifests:
        text = io.StringIO()
        yaml.dump(_mapping(manifest, 0), text)
        texts.append(text.getvalue())
    return "---\n".join(texts)


def _node(value: Any, column: int) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value, column)
    if isinstance(value, list):
        return _sequence(value, column)
    return _scalar(value) if isinstance(value, str) else value


def _mapping(entries: Mapping[str, Any], column: int) -> Any:
    from ruamel.yaml.comments import CommentedMap

    node = CommentedMap()
    for key, value in entries.items():
        reason = value.reason if isinstance(value, Because) else ""
        node[key] = _node(value.value if isinstance(value, Because) else value, column + 2)
        if reason:
            before = textwrap.fill(reason, 110 - column)
            node.yaml_set_comment_before_after_key(key, before=before, indent=column)
    return node


def _sequence(items: list[Any], column: int) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    node = CommentedSeq([_node(item, column + 2) for item in items])
    if all(isinstance(item, str) for item in items):
        node.fa.set_flow_style()
    return node


def _scalar(text: str) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    return (
        text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT else DoubleQuotedScalarString(text)
    )
