"""The test wikis as they are served: where they answer, and what a test may do to them."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .corpus import Page
from .farm import Farm, Hidden, host
from .histories import Edit, Person
from .php_server import PhpServer

PROBE = "/w/api.php?action=query&titles=Douglas_Adams&format=json"


@dataclass(frozen=True)
class Wiki:
    """Wikipedias in three languages behind one address; the Host header tells which one answers."""

    farm: Farm
    url: str

    @classmethod
    @contextmanager
    def build(cls, directory: Path, *, cache: Path | None = None, port: int = 0) -> Iterator[Wiki]:
        """Install, fill and serve the wikis in an empty directory, until the block ends."""
        farm = Farm.build(directory, cache)
        server = PhpServer.start(farm.directory, farm.environment, PROBE, port)
        try:
            yield cls(farm, server.url)
        finally:
            server.stop()

    def host(self, wiki: str) -> str:
        """The Host header that chooses the wiki."""
        return host(wiki)

    def page_id(self, wiki: str, title: str) -> int:
        """Id of an article, also of one that was deleted."""
        return self.farm.revisions(wiki, title)[-1][0]

    def revision_ids(self, wiki: str, title: str) -> list[int]:
        """Ids of an article's revisions, oldest first, also of one that was deleted."""
        return [revision for _, revision in self.farm.revisions(wiki, title)]

    def edit(self, wiki: str, title: str, text: str) -> int:
        """Save a new revision, or a new page, and return the revision's id."""
        self.farm.write(wiki, [Page(title, (text,))])
        return self.revision_ids(wiki, title)[-1]

    def write_edits(self, wiki: str, people: Iterable[Person], edits: Iterable[Edit]) -> list[int]:
        """Create the people's accounts, and save the edits in order, each by who made it; the revisions' ids."""
        return self.farm.write_edits(wiki, people, edits)

    def delete(self, wiki: str, title: str) -> None:
        """Delete a page."""
        self.farm.write(wiki, [Page(title, (), deleted=True)])

    def hide(self, wiki: str, revision: int, parts: Hidden) -> None:
        """Hide parts of a revision, as an administrator may."""
        self.farm.hide(wiki, revision, parts)

    def get(self, wiki: str, **parameters: str | int) -> dict[str, Any]:
        """Ask the API of one wiki, and return its answer."""
        query = urllib.parse.urlencode({"format": "json", **parameters})
        request = urllib.request.Request(f"{self.url}/w/api.php?{query}", headers={"Host": host(wiki)})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
        return answer
