"""A goodfaith model that is trained on revisions of the real MediaWiki, and what revscoring itself says of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mediawiki.histories import PEOPLE, Edit, histories, long_history
from mediawiki.wiki import Wiki

__all__ = ["Judged", "judged"]

ORACLE = Path(__file__).with_name("goodfaith_oracle.py")


@dataclass(frozen=True)
class Judged:
    """Revisions of a wiki, and what revscoring itself says about them.

    Attributes:
        wiki: Where they are.
        edits: What was saved as each of them.
        long: Revisions of 70,000 characters, about which nobody was asked.
        model: The file of the model that was asked.
        expected: For each revision its `score`, the `features` that went into it, and those of the demo's model.
    """

    wiki: Wiki
    edits: dict[int, Edit]
    long: list[int]
    model: Path
    expected: dict[int, dict[str, Any]]


@pytest.fixture(scope="session")
def judged(mediawiki: Wiki, english: None, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Eight pages with their histories, a model trained on them, and what it says of each revision."""
    edits, long = histories(), long_history()
    ids = mediawiki.write_edits("en", PEOPLE, edits + long)
    of_id = dict(zip(ids, edits, strict=False))
    # Where every label is right, one score is like the other; a seventh of them are wrong.
    labels = {rev_id: edit.good ^ (rev_id % 7 == 0) for rev_id, edit in of_id.items()}
    folder = tmp_path_factory.mktemp("goodfaith")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", ORACLE, mediawiki.url, folder],
        input=json.dumps(labels),
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = {
        int(rev_id): each for rev_id, each in json.loads((folder / "expected.json").read_text()).items()
    }
    return Judged(mediawiki, of_id, ids[len(edits) :], folder / "model.bin", expected)
