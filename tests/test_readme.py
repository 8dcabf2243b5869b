"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.configuration import read

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

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


def test_make_refuses_an_older_python_and_leaves_no_environment_of_it(tmp_path: Path) -> None:
    older = "import sys; sys.version_info = (3, 9); exec(sys.argv[2])"
    python = f"{shlex.quote(sys.executable)} -c {shlex.quote(older)}"
    venv = tmp_path / "venv"
    command = ["make", f"VENV={venv}", f"PYTHON={python}", f"{venv}/bin/python"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Python 3.10 or newer is needed, and this is 3.9. Name one: make PYTHON=" in done.stderr
    assert done.returncode != 0
    assert not venv.exists(), "it would be taken the next time, with whatever PYTHON"


def test_the_plugin_of_the_readme_and_its_test_work(liftwing: Serve, tmp_path: Path) -> None:
    folder, site = tmp_path / "letters", tmp_path / "site"
    test = block("python", "def test_")
    place = re.search(r"`((?:tests/)?test_letters\.py)`", README)
    assert place is not None
    for name, text in {
        "pyproject.toml": block("toml", "liftwing-plugin-letters"),
        "liftwing_plugin_letters.py": block("python", "class Letters"),
        place.group(1): test,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    # Without its dependencies: the host is no package of an index here, and is there already.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(folder)], check=True)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    host = liftwing("letters", environ={"PYTHONPATH": str(site)})
    assert host.post({}).json() == {"error": 'Missing "text" in input data.'}
    host.wait_for(lambda: " is ready: " in host.log, "the report")
    curl = host.log.partition("try: ")[2].splitlines()[0]
    tried = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, check=True)
    assert tried.stdout == '{"score":8.0}'


def test_the_configuration_of_the_readme_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "liftwing.toml"
    path.write_text(block("toml", "[plugins.outlink]"))
    settings = read({}, config=path)
    assert settings.models == ("outlink-topic-model",)
    assert settings.of_plugin("liftwing-plugin-outlink", default_workers=1).workers == 4
    assert settings.model_tables["outlink-topic-model"] == {"wiki_url": "https://en.wikipedia.org"}


def test_every_file_and_folder_that_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
