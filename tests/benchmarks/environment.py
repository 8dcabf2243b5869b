"""The peers' environments: each has its own, with pinned versions, made once and kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["CACHE", "make_environment", "prepare", "python_of", "requirements_of"]

CACHE = Path(__file__).parents[2] / ".cache" / "bench"
PYTHON = "python3.11"


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment."""
    return CACHE / "venvs" / peer / "bin" / "python"


def requirements_of(peer: str) -> Path:
    """The file that pins what is installed there."""
    return Path(__file__).parent / "peers" / peer / "requirements.txt"


def prepare(peer: str) -> None:
    """Make a peer's environment, unless it is there as its requirements say.

    Raises:
        subprocess.CalledProcessError: It could not be made; pip has said why.
    """
    make_environment(CACHE / "venvs" / peer, requirements_of(peer))


def make_environment(folder: Path, *requirements: Path) -> Path:
    """Make an environment of its own, unless it is there as its requirements say.

    Args:
        folder: Where it is.
        requirements: The files that pin what is installed there; the last ones may include the first.

    Returns:
        Its interpreter.

    Raises:
        subprocess.CalledProcessError: It could not be made; pip has said why.
    """
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in requirements)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    print(f"installing {folder.name} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Without pip of its own: Debian's Python has none to give, and ours can stand in for it.
    _run([shutil.which(PYTHON) or sys.executable, "-m", "venv", "--without-pip", str(folder)])
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _run([*pip, "install", "--quiet", "--requirement", str(requirements[-1])])
    _run([str(python), "-m", "compileall", "-q", str(folder / "lib")], check=False)
    stamp.write_text(wanted)
    return python


def _run(command: list[str], *, check: bool = True) -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    subprocess.run(command, check=check, env=environ, stdin=subprocess.DEVNULL, timeout=900)
