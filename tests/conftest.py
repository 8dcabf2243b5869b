"""For all tests: the zoo is installed, and the fixtures of the real MediaWiki, of English, of EventGate, of numpy 1."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from english import english
from eventgate.fixtures import eventgate
from goodfaith import judged
from images.fixtures import builder, image, stand_ins
from interop.kserve_server import kserve_python
from liftwing_host.pytest_plugin import LiveHost
from mediawiki.fixtures import flaky_mediawiki, mediawiki, mediawiki_cache, nowhere
from own_numpy import old_numpy

__all__ = [
    "builder",
    "english",
    "eventgate",
    "flaky_mediawiki",
    "image",
    "judged",
    "kserve_python",
    "mediawiki",
    "mediawiki_cache",
    "nowhere",
    "old_numpy",
    "stand_ins",
]

# torch is a gigabyte, Ray a quarter of one, and revscoring wants Python 3.11: continuous integration has them, and whoever wants to.
NEEDED = {
    "test_alexnet_host.py": "liftwing_plugin_alexnet",
    "test_examples.py": "revscoring",
    "test_ray.py": "ray",
    "test_ray_processes.py": "ray",
    "test_ray_waits.py": "ray",
    "test_revscoring_demo.py": "revscoring",
    "test_revscoring_mediawiki.py": "revscoring",
    "test_torch.py": "torch",
}
collect_ignore = [
    name
    for name, module in NEEDED.items()
    if not importlib.util.find_spec(module) and os.environ.get("CI") != "true"
]

ZOO = Path(__file__).parent / "zoo"


@pytest.fixture(scope="session", autouse=True)
def _zoo_is_installed() -> Iterator[None]:
    """Hosts that the tests begin find the zoo's metadata, as that of any installed distribution."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ZOO), before]))
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def zoo_host(request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    """One host for all read-only tests of a module, with the models that its `MODELS` names."""
    host = LiveHost(request.module.MODELS)
    yield host
    host.stop()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that is skipped in continuous integration has not been run: that is a failure there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
