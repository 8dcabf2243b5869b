"""A plugin that tells its numpy, and an environment of its own in which that is numpy 1."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from distributions import install

__all__ = ["CODE", "NEW", "OLD", "OLD_NUMPY", "old_numpy", "with_old"]

ROOT = Path(__file__).parent.parent
OLD_NUMPY, OLD, NEW = "1.26.4", "liftwing-plugin-oldnumpy", "liftwing-plugin-newnumpy"
CODE = """
import os
import sys
import numpy
from liftwing_host import Model

class Numpy(Model):
    \"\"\"Tells its numpy.\"\"\"

    async def fetch(self, payload):
        return payload

    def predict(self, features):
        return {"numpy": numpy.__version__, "python": sys.prefix, "pid": os.getpid()}
"""


@pytest.fixture(scope="session")
def old_numpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with numpy 1, made as an operator would."""
    home = tmp_path_factory.mktemp("old") / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, str(ROOT), f"numpy=={OLD_NUMPY}"], check=True)
    (site,) = home.glob("lib/python*/site-packages")
    install(site, OLD, models={"old-numpy": "oldnumpy:Numpy"}, code={"oldnumpy": CODE})
    return python


def with_old(python: Path, **keys: Any) -> dict[str, Any]:
    return {"plugins": {"oldnumpy": {"python": str(python), "workers": 1, **keys}}}
