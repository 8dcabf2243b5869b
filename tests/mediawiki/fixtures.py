"""Fixtures: the wikis, served for the whole test run, and a proxy that can misbehave."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .proxy import FlakyProxy, closed_port
from .wiki import Wiki

INSTALL = Path(__file__).with_name("install.sh")
CANNOT_INSTALL = 3


@pytest.fixture(scope="session")
def mediawiki_cache(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Where built wikis are kept for the next test run; MediaWiki is installed by then."""
    install()
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    return cache.mkdir("mediawiki") if cache else tmp_path_factory.mktemp("mediawiki-cache")


@pytest.fixture(scope="session")
def mediawiki(tmp_path_factory: pytest.TempPathFactory, mediawiki_cache: Path) -> Iterator[Wiki]:
    """Wikipedias in three languages; a test that edits keeps to pages of its own."""
    with Wiki.build(tmp_path_factory.mktemp("mediawiki"), cache=mediawiki_cache) as wiki:
        yield wiki


@pytest.fixture
def flaky_mediawiki(mediawiki: Wiki) -> Iterator[FlakyProxy]:
    """The same wikis behind a proxy that misbehaves as told and remembers what was asked."""
    with FlakyProxy.before(mediawiki.url) as proxy:
        yield proxy


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nothing listens."""
    with closed_port() as url:
        yield url


def install() -> None:
    """Install MediaWiki, or skip with the reason; in CI a test that cannot run is a failure."""
    done = subprocess.run([INSTALL], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_INSTALL and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{INSTALL.name}: {done.stderr.strip()}")
