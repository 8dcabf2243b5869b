"""What keeps the repository readable, and what linters do not know."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 350
UNWANTED_NAMES = ("utils", "helpers", "common", "base", "manager", "service", "runner", "job", "task")


def sources() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def test_no_file_has_outgrown_its_room() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in sources() if path.stem.strip("_") in UNWANTED_NAMES] == []


def test_every_module_says_in_its_docstring_what_it_is() -> None:
    silent = [path for path in sources() if not path.read_text().lstrip().startswith(('"""', "#!"))]
    assert silent == []
