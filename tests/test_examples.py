"""The page of examples: its commands do what it says that they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from goodfaith import Judged
from walkthrough import Shell, commands

PAGE = Path(__file__).parent.parent / "docs" / "examples.md"


def follow(heading: str, folder: Path, instead: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Run the commands of a section; gives what each should have printed, and what it printed."""
    with Shell(folder, instead) as shell:
        return [(each.shown.strip(), shell.run(each).strip()) for each in commands(PAGE, heading)]


def shape(value: Any) -> Any:
    """Names and types: of another model's answer, the rest is its own."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value).__name__


def test_good_faith_of_an_edit(judged: Judged, tmp_path: Path) -> None:
    revision = next(iter(judged.edits))
    instead = {
        "https://en.wikipedia.org": judged.wiki.url,
        "/mnt/models/model.bin": str(judged.model),
        '"rev_id": 12345': f'"rev_id": {revision}',
    }
    *_, ready, scored = follow("Example 1: good faith of an edit", tmp_path, instead)
    assert ready[0] == ready[1]
    shown, told = (json.loads(each) for each in scored)
    score = told["enwiki"]["scores"].pop(str(revision))
    assert score["goodfaith"]["score"] == judged.expected[revision]["score"]
    assert shape(score) == shape(shown["enwiki"]["scores"].pop("12345"))
    assert shape(told) == shape(shown)


def test_the_event_of_a_score_reaches_eventgate(tmp_path: Path) -> None:
    *answers, events = follow("Example 2: events, and a stand-in for EventGate", tmp_path)
    for shown, printed in answers:
        assert printed == shown
    [shown_event], [event] = (json.loads(each) for each in events)
    for own in ("id", "dt"):
        assert event["meta"].pop(own) != shown_event["meta"].pop(own)
    assert event == shown_event


@pytest.mark.parametrize(
    "heading",
    ["The same without a wiki: a demo", "Example 3: topics, by a transformer and a predictor"],
)
def test_what_needs_nothing_else_prints_what_the_page_shows(heading: str, tmp_path: Path) -> None:
    for shown, printed in follow(heading, tmp_path):
        assert printed == shown
