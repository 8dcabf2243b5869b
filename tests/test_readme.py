"""What the README shows is what happens."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.configuration import read

README = (Path(__file__).parent.parent / "README.md").read_text()

Serve = Callable[..., LiveHost]


def block(language: str, containing: str) -> str:
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    [found] = (text for text in blocks if containing in text)
    return found


def test_the_first_curl_answers_what_the_readme_shows(liftwing: Serve) -> None:
    command, shown = block("console", "curl").strip().split("\n")
    host = liftwing("outlink-topic-model", arguments=["--demo"])
    curl = shlex.split(command.removeprefix("$ ").replace("localhost:8080", f"127.0.0.1:{host.port}"))
    done = subprocess.run([*curl, "--silent"], capture_output=True, text=True, check=True)
    assert done.stdout == shown


def test_the_plugin_of_the_readme_and_its_test_work(liftwing: Serve, tmp_path: Path) -> None:
    (tmp_path / "liftwing_plugin_letters.py").write_text(block("python", "class Letters"))
    entry_points = re.search(
        r"\[project\.entry-points\.\"(.*)\"\]\n(.*) = \"(.*)\"", block("toml", "letters")
    )
    assert entry_points is not None
    metadata = tmp_path / "liftwing_plugin_letters-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: liftwing-plugin-letters\nVersion: 0.1.0\n"
    )
    (metadata / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*entry_points.groups()))
    host = liftwing("letters", environ={"PYTHONPATH": str(tmp_path)})
    assert 'predict({"text": "ab cd"}) == {"score": 8.0}' in block("python", "def test_")
    assert host.predict({"text": "ab cd"}) == {"score": 8.0}
    assert host.post({}).json() == {"error": 'Missing "text" in input data.'}


def test_the_configuration_of_the_readme_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "liftwing.toml"
    path.write_text(block("toml", "[plugins.outlink]"))
    settings = read({}, config=path)
    assert settings.models == ("outlink-topic-model",)
    assert settings.of_plugin("liftwing-plugin-outlink", default_workers=1).workers == 4
    assert settings.model_tables["outlink-topic-model"] == {"wiki_url": "https://en.wikipedia.org"}


def test_every_file_and_folder_that_the_readme_links_to_is_there() -> None:
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (root / target).exists(), target
