"""What revscoring's English needs beyond wheels: dictionaries and stopwords, installed, or the test skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = Path(__file__).with_name("install_english.sh")
CANNOT_INSTALL = 3


@pytest.fixture(scope="session")
def nltk_data(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder for NLTK_DATA, kept for the next test run; the dictionaries are installed by then."""
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    folder = cache.mkdir("nltk") if cache else tmp_path_factory.mktemp("nltk")
    done = subprocess.run(
        [INSTALL, folder],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT_INSTALL and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{INSTALL.name}: {done.stderr.strip()}")
    return folder
