"""The page for authors of plugins: what it shows works, and it leaves out no hook and nothing that a model may declare."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import liftwing_host
from distributions import install, path_with
from liftwing_host import Model, hookspecs

PAGE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def block(language: str, containing: str) -> str:
    [found] = (text for kind, text in BLOCKS if kind == language and containing in text)
    return found


def test_the_plugin_of_the_page_passes_its_own_tests(tmp_path: Path) -> None:
    folder, site = tmp_path / "sentences", tmp_path / "site"
    for name, text in {
        "pyproject.toml": block("toml", "liftwing-plugin-sentences"),
        "liftwing_plugin_sentences.py": block("python", "class SentenceLength"),
        "tests/test_sentences.py": block("python", "def test_"),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    # Without its dependencies: they are there, and the host is no package of an index here.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(folder)], check=True)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"]
    environ = os.environ | path_with(site)
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_the_module_of_the_page_is_served(liftwing: Any, tmp_path: Path) -> None:
    [entry] = re.findall(r'`(\w+) = "(\w+)"`', PAGE)
    code = {entry[1]: block("python", "@hookimpl")}
    folder = install(tmp_path, "liftwing-plugin-halves", models=dict([entry]), code=code)
    assert liftwing(entry[0], environ=path_with(folder)).predict(3) == 1.5


def test_the_page_tells_all_hooks_with_all_their_arguments() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^|]* \| ([^|]*) \| [^|]* \|$", PAGE, re.MULTILINE)
    told = {
        name: re.findall(r"`(\w+)`", arguments)
        for names, arguments in rows
        for name in re.findall(r"\w+", names)
    }
    for name, function in vars(hookspecs).items():
        if inspect.isfunction(function) and hasattr(function, "liftwing_host_spec"):
            assert told[name] == list(inspect.signature(function).parameters), name


def test_the_page_tells_all_that_a_model_may_declare_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]* \|$", PAGE, re.MULTILINE))
    declared = {name: value for name, value in vars(Model).items() if not name.startswith("_")}
    assert told == {name: "none" if value == () else str(value) for name, value in declared.items()}


@pytest.mark.parametrize(
    "name", sorted(set(liftwing_host.__all__) - {"DeadlineExceeded", "ModelFileMissing", "read_settings"})
)
def test_the_page_speaks_of_what_authors_import(name: str) -> None:
    # Those that are left out come to an author from the host, or are for tests of settings.
    aside = {"ModelConfig": "self.config", "Request": "`request`"}
    assert aside.get(name, name) in PAGE
