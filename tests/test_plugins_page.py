"""The page for authors of plugins: what it shows works, and it leaves out no hook and nothing that a model may declare."""

from __future__ import annotations

import functools
import inspect
import os
import re
import subprocess
import sys
import threading
from datetime import date
from enum import Enum
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import liftwing_host
from command import run
from distributions import install, path_with
from liftwing_host import Model, Request, hookspecs
from liftwing_host.worker.codecs.v1 import encode

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
    host = liftwing(entry[0], environ=path_with(folder))
    host.wait_for(lambda: " is ready: " in host.log, "the report")
    curl = host.log.partition("try: ")[2].splitlines()[0]
    done = subprocess.run(["bash", "-c", f"{curl} -s"], capture_output=True, text=True, check=True)
    assert done.stdout == "1.5"


def test_a_module_may_declare_whatever_a_class_may(liftwing: Any, tmp_path: Path) -> None:
    wrong = {name: "'wrong'" for name in vars(Model) if not name.startswith("_") and name != "example"}
    code = {
        f"has_{name}": f"from liftwing_host import hookimpl\n{name} = {value}\n@hookimpl\ndef predict(): ...\n"
        for name, value in wrong.items()
    }
    folder = install(
        tmp_path, "liftwing-plugin-it", models={name: f"has_{name}" for name in wrong}, code=code
    )
    host = liftwing(*wrong, wait=False, environ=path_with(folder))
    # That it is refused shows that it is looked at.
    for name in wrong:
        said = f"NOT READY: the model's {name} is 'wrong', and must be "
        host.wait_for(lambda said=said: said in host.log, said)


def test_the_model_files_of_the_page_are_found_where_it_says(liftwing: Any, tmp_path: Path) -> None:
    code = {"words": block("python", "class WordFrequency")}
    folder = install(tmp_path / "site", "liftwing-plugin-it", models={"it": "words:WordFrequency"}, code=code)
    published = tmp_path / "published"
    published.mkdir()
    (published / "2.txt").write_text("the 5.4\nof 2.9\n")  # has the page's checksum
    downloads, aside = tmp_path / "downloads", tmp_path / "aside"
    environ = path_with(folder) | {"LIFTWING_DOWNLOADS": str(downloads)}
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            url = ("--url", f"http://127.0.0.1:{server.server_address[1]}/2.txt")
            done = run("download", "it", *url, "--to", str(aside), **environ)
            assert (done.returncode, [*aside.iterdir()]) == (0, [aside / "frequencies.txt"]), done.stderr
            host = liftwing("it", wait=False, environ=environ)
            host.wait_for(lambda: "`liftwing-host download it` fetches it." in host.log, "the reason")
            done = run("download", "it", *url, "--sha256", "0" * 64, **environ)
            assert (done.returncode, [*(downloads / "it").iterdir()]) == (2, []), done.stderr
            assert run("download", "it", *url, **environ).returncode == 0
            (published / "2.txt").write_text("another")
            done = run("download", "it", *url, "--to", str(tmp_path / "another"), **environ)
            assert "not 6999c0aabb01ea45" in done.stderr, "the plugin's checksum holds"
        finally:
            server.shutdown()
    assert liftwing("it", environ=environ).predict({"word": "of"}) == 2.9
    beside = path_with(folder) | {"LIFTWING_DOWNLOADS": str(tmp_path / "none")}
    assert liftwing("it", environ=beside, arguments=["--demo"]).predict({"word": "the"}) == 5.0


def test_the_keys_that_become_strings_are_those_that_the_page_names() -> None:
    class Colour(Enum):
        RED = "red"

    keys: list[tuple[Any, str]] = [
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (date(2030, 1, 2), "2030-01-02"),
    ]
    keys += [(Colour.RED, "red"), (UUID(int=0), "00000000-0000-0000-0000-000000000000")]
    for key, sent in keys:
        assert encode({key: 2})[1] == f'{{"{sent}":2}}'.encode()
    for wrong in ((1, 2), b"1"):
        with pytest.raises(TypeError):
            encode({wrong: 2})
    assert "they are numbers, booleans, None, dates, UUIDs or members of an `Enum`: `{1: …}`" in PAGE
    assert "Another key, such as a tuple or `bytes`, is a 500." in PAGE


def test_the_page_names_what_a_request_has_for_a_hook() -> None:
    named = set(re.findall(r"`request\.(\w+)", PAGE))
    assert named >= {"id", "headers", "remaining"}
    assert all(hasattr(Request("id", "model"), name) for name in named)


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
