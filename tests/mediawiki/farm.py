"""A farm of wikis on disk: one directory that holds all their state, installed and filled."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from enum import IntFlag
from pathlib import Path

from .corpus import CORPUS, Page
from .histories import Edit, Person

HERE = Path(__file__).parent
SOURCE = Path("/usr/share/mediawiki")
REVISIONS = """
    SELECT page_id, rev_id FROM page JOIN revision ON rev_page = page_id
    WHERE page_namespace = 0 AND page_title = :title
    UNION SELECT ar_page_id, ar_rev_id FROM archive WHERE ar_namespace = 0 AND ar_title = :title
    ORDER BY 2
"""


class Hidden(IntFlag):
    """What of a revision is hidden, as MediaWiki's database has it."""

    TEXT = 1
    COMMENT = 2
    USER = 4


def host(wiki: str) -> str:
    """The Host header that chooses the wiki."""
    return f"{wiki}.wikipedia.org"


@dataclass(frozen=True)
class Farm:
    """Wikis that are installed in a directory."""

    directory: Path

    @classmethod
    def build(cls, directory: Path, cache: Path | None = None) -> Farm:
        """Install and fill the wikis in an empty directory, or copy what an earlier build left."""
        if cache is None:
            return cls._install(directory)
        with locked(cache):
            kept = cache / fingerprint()
            if not kept.exists():
                unfinished = kept.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                cls._install(unfinished)
                unfinished.rename(kept)
        shutil.copytree(kept, directory, symlinks=True, dirs_exist_ok=True)
        return cls(directory)

    @classmethod
    def _install(cls, directory: Path) -> Farm:
        (directory / "data").mkdir(parents=True)
        farm = cls(directory)
        for wiki in CORPUS:
            farm._create(wiki)
        (directory / "LocalSettings.php").write_bytes((HERE / "LocalSettings.php").read_bytes())
        (directory / "items.json").write_text(json.dumps(items()))
        (directory / "docroot").mkdir()
        (directory / "docroot" / "w").symlink_to(SOURCE)
        for wiki, pages in CORPUS.items():
            farm.write(wiki, pages)
        return farm

    def _create(self, wiki: str) -> None:
        """Run MediaWiki's installer; the settings that it writes are not the ones to use."""
        unused = self.directory / f"installer-{wiki}"
        unused.mkdir()
        options = {
            "dbtype": "sqlite",
            "dbpath": str(self.directory / "data"),
            "dbname": f"{wiki}wiki",
            "confpath": str(unused),
            "lang": wiki,
            "pass": "only-on-loopback",
            "server": f"https://{host(wiki)}",
            "scriptpath": "/w",
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        script = SOURCE / "maintenance" / "install.php"
        run_php([str(script), *flags, "Wikipedia", "Admin"], dict(os.environ))
        shutil.rmtree(unused)

    @property
    def environment(self) -> dict[str, str]:
        """What tells MediaWiki where this farm's settings are."""
        return {**os.environ, "MW_CONFIG_FILE": str(self.directory / "LocalSettings.php")}

    def write(self, wiki: str, pages: Iterable[Page]) -> None:
        """Save each page's revisions as new edits, and delete the pages that are to be gone."""
        fields = json.dumps([asdict(page) for page in pages])
        environment = {**self.environment, "HTTP_HOST": host(wiki)}
        run_php([str(HERE / "write_pages.php")], environment, fields)

    def write_edits(self, wiki: str, people: Iterable[Person], edits: Iterable[Edit]) -> list[int]:
        """Create the people's accounts, and save the edits in order, each by who made it; the revisions' ids."""
        fields = json.dumps(
            {"users": [asdict(one) for one in people], "edits": [asdict(one) for one in edits]}
        )
        environment = {**self.environment, "HTTP_HOST": host(wiki)}
        ids: list[int] = json.loads(run_php([str(HERE / "write_edits.php")], environment, fields))
        return ids

    def hide(self, wiki: str, revision: int, parts: Hidden) -> None:
        """Hide parts of a revision, as an administrator may; the text of a page's latest one is shown all the same."""
        database = self.directory / "data" / f"{wiki}wiki.sqlite"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE revision SET rev_deleted = ? WHERE rev_id = ?", (int(parts), revision))

    def revisions(self, wiki: str, title: str) -> list[tuple[int, int]]:
        """Page and revision ids of an article, oldest first, also of one that was deleted."""
        database = self.directory / "data" / f"{wiki}wiki.sqlite"
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            found = connection.execute(REVISIONS, {"title": title.replace(" ", "_")}).fetchall()
        if not found:
            raise LookupError(f"{wiki} never had an article {title!r}")
        return found


def items() -> dict[str, dict[str, str]]:
    """The Wikidata item of each page that has one, for each wiki."""
    return {
        wiki: {page.title: page.item for page in pages if page.item is not None}
        for wiki, pages in CORPUS.items()
    }


def run_php(arguments: list[str], environment: dict[str, str], text: str = "") -> str:
    """Run a script to its end, and return what it printed, or show it if the script failed."""
    done = subprocess.run(
        ["php", *arguments],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def fingerprint() -> str:
    """Names all that a farm's content depends on."""
    digest = hashlib.sha256()
    for name in ("LocalSettings.php", "articles.tsv", "corpus.py", "farm.py", "write_pages.php"):
        digest.update((HERE / name).read_bytes())
    version = re.search(r"'MW_VERSION', '(.+?)'", (SOURCE / "includes" / "Defines.php").read_text())
    digest.update(version[1].encode() if version else b"")
    return digest.hexdigest()[:16]


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other test runs out of a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
