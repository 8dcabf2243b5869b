"""What is published installs into a bare environment and serves, on every Python that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost, wait_until
from mediawiki.wiki import Wiki

ROOT = Path(__file__).parent.parent
OTHERS = ("3.10", "3.12", "3.13")


def other_pythons() -> list[str]:
    """Interpreters of other versions: on the path, or installed beside the one that runs the tests."""
    found = []
    for version in OTHERS:
        beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}"))
        candidates = [shutil.which(f"python{version}"), *map(str, beside)]
        found += [path for path in candidates if path and _runs(path)][:1]
    return found


def _runs(python: str) -> bool:
    return (
        subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode
        == 0
    )


def install(python: str, folder: Path, *what: str) -> Path:
    """A bare environment with something installed; its folder of commands."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *what], cwd=ROOT, check=True, capture_output=True, text=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare") / "venv"
    return install(sys.executable, folder, ".", "./plugins/outlink", "./plugins/langid")


class Installed(LiveHost):
    """A host whose command is an installed one."""

    def __init__(self, commands: Path, *models: str, **options: object) -> None:
        self.commands = commands
        super().__init__(models, **options)  # type: ignore[arg-type]

    def command(self) -> list[str]:
        return [str(self.commands / "liftwing-host")]


@pytest.fixture
def served(bare: Path, mediawiki: Wiki) -> Iterator[LiveHost]:
    weights = next(bare.parent.glob("lib/*/site-packages/liftwing_plugin_outlink/demo/model.ftz"))
    environ = {"WIKI_URL": mediawiki.url, "MODEL_PATH": str(weights), "PYTHONPATH": ""}
    host = Installed(bare, "outlink-topic-model", environ=environ)
    yield host
    host.stop()


def test_a_bare_environment_serves_a_real_wiki(served: LiveHost) -> None:
    answer = served.predict({"page_title": "Douglas_Adams", "lang": "en"})
    assert "Culture.Literature" in [result["topic"] for result in answer["prediction"]["results"]]


def test_a_bare_environment_answers_from_a_real_model_that_it_brings(bare: Path) -> None:
    host = Installed(bare, "langid", arguments=["--demo"], environ={"PYTHONPATH": ""})
    try:
        answer = host.predict({"text": "Tous les êtres humains naissent libres et égaux."})
        assert answer.pop("score") > 0.9
        assert answer == {"language": "fra_Latn", "wikicode": "fr", "languagename": "French"}
    finally:
        assert host.stop() == 0


def test_the_host_process_maps_no_library_of_a_plugin(served: LiveHost) -> None:
    """The kernel's word for it: no file of fastText or aiohttp is mapped into the host, and both are into a worker."""
    host = psutil.Process(served.process.pid)
    maps = {Path(entry.path).name for entry in host.memory_maps()}
    assert not [name for name in maps if "fasttext" in name or "multidict" in name or "numpy" in name]
    workers = {
        Path(entry.path).name for child in host.children(recursive=True) for entry in child.memory_maps()
    }
    assert [name for name in workers if "fasttext" in name]


def test_the_wheels_hold_what_is_served_and_no_tests(bare: Path) -> None:
    packages = next(bare.parent.glob("lib/*/site-packages"))
    assert (packages / "liftwing_plugin_outlink" / "demo" / "MODEL_CARD.md").exists()
    assert (packages / "liftwing_plugin_outlink" / "demo" / "articles.json").exists()
    assert (packages / "liftwing_plugin_langid" / "MODEL_CARD.md").exists()
    assert (packages / "liftwing_host" / "py.typed").exists()
    assert not (packages / "tests").exists()
    done = subprocess.run(
        [bare / "python", "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("python", other_pythons())
def test_the_host_serves_on_other_pythons(python: str, tmp_path: Path) -> None:
    commands = install(python, tmp_path / "venv", ".")
    environ = {"PYTHONPATH": os.environ["PYTHONPATH"]}
    host = Installed(commands, "stages", "functions", environ=environ)
    try:
        assert host.predict({"number": 3}, "functions") == {"functions": 6}
        assert host.predict({"value": "x"})["predict"][2] == "x"
        assert wait_until(lambda: "is ready" in host.log, "the report")
    finally:
        assert host.stop() == 0
    assert "Traceback" not in host.log
