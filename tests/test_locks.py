"""The locks of the image are those of the projects as they are now, and agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "locks"
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
IMAGE = {"python_version": "3.11", "python_full_version": "3.11.0"}
RENEW = "`make lock` renews the locks"


def project(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomli.loads((folder / "pyproject.toml").read_text())["project"]
    return found


def locked(plugin: str) -> dict[str, str]:
    """Names and versions."""
    text = (LOCKS / f"{plugin}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_lock_of_a_plugin_has_what_the_host_and_the_plugin_ask_for(plugin: str) -> None:
    versions = locked(plugin)
    asked = [*project(ROOT)["dependencies"], *project(ROOT / "plugins" / plugin)["dependencies"]]
    wrong = []
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate(IMAGE)
        if name == "liftwing-host" or not applies:
            continue
        if name not in versions or not requirement.specifier.contains(versions[name], prereleases=True):
            wrong.append(f"{requirement}, locked: {versions.get(name)}")
    assert wrong == [], RENEW


def test_any_plugins_can_be_in_one_image() -> None:
    found: dict[str, set[str]] = {}
    for plugin in PLUGINS:
        for name, version in locked(plugin).items():
            found.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in found.items() if len(versions) > 1} == {}, RENEW


@pytest.mark.parametrize("lock", [*PLUGINS, "build"])
def test_everything_that_is_locked_has_checksums(lock: str) -> None:
    lines = (LOCKS / f"{lock}.txt").read_text().splitlines()
    kinds = (r"[\w.-]+==\S+ \\", r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not any(re.fullmatch(kind, line) for kind in kinds)] == []
    assert len(lines) > 2
