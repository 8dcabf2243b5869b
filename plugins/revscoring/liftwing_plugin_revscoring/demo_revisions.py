"""The demo's sample revisions, in MediaWiki's place: its answers about them lie in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .documents import Documents, UnknownRevision, read_documents

__all__ = ["DemoRevisions"]

_FILE = Path(__file__).parent / "demo" / "revisions.json"


class DemoRevisions:
    """A few revisions, with their parents and authors.

    Args:
        answers: By the id of the revision: MediaWiki's answers about the `revision`, its `parent` and its
            `user`, the last two None where there is none.
    """

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        # As text, since revscoring writes into the documents that it reads.
        self._answers = {int(rev_id): json.dumps(answer) for rev_id, answer in answers.items()}

    @classmethod
    def load(cls) -> DemoRevisions:
        """Read the file that ships with the plugin."""
        return cls(json.loads(_FILE.read_text(encoding="utf-8")))

    def documents(self, rev_id: int) -> Documents:
        """What `fetch_documents` would have fetched.

        Raises:
            UnknownRevision: It is not one of the sample revisions.
        """
        if rev_id not in self._answers:
            raise UnknownRevision(rev_id)
        answer = json.loads(self._answers[rev_id])
        return read_documents(answer["revision"], answer["parent"], answer["user"], rev_id)
