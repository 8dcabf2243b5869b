"""What revscoring's English needs beyond wheels: dictionaries and stopwords, installed, or the test skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL = Path(__file__).parent.parent / "plugins" / "revscoring" / "tools" / "install_english.sh"
CANNOT_INSTALL = 3


@pytest.fixture(scope="session")
def english() -> None:
    """Installed in this environment, where revscoring looks by itself."""
    done = subprocess.run([INSTALL, sys.executable], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_INSTALL and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    if done.returncode != 0:
        pytest.fail(f"{INSTALL.name}: {done.stderr.strip()}")
