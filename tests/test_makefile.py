"""What `make` sets up, where something has been set up already."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def installs(folder: Path, *variables: str) -> str:
    """The line of pip that `make check` would run; empty if all is there."""
    environ = {name: os.environ[name] for name in os.environ if name != "CI" and not name.startswith("MAKE")}
    command = ["make", "--dry-run", "check", *variables]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", "").splitlines()
    return "".join(line for line in lines if " pip install " in line)


def test_what_continuous_integration_needs_is_installed_beside_what_is_there(tmp_path: Path) -> None:
    for path in (ROOT / "Makefile", ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    assert "ray[client]" not in installs(tmp_path)
    (tmp_path / ".venv" / ".tested").touch()
    assert installs(tmp_path) == ""
    lacking = installs(tmp_path, "CI=true")
    assert "torch==" in lacking
    assert "ray[client]==" in lacking
    assert "-e ./plugins/alexnet" in lacking
