"""What cannot be fetched from, or put into the folder of downloads, is told before either is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command import run
from distributions import install, path_with
from liftwing_host import ConfigurationError, PublishedFile

MODEL = "outlink-topic-model"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "it is neither an http nor an https URL"),
        ("", "it is neither an http nor an https URL"),
        ("http:///x", "it has no host"),
        ("http://[bad/", "'[bad' is no host"),
        ("http://[bad]/", "'[bad]' is no host"),
        ("http://localhost:port/x", "'localhost:port' is no host, or none with a port"),
        ("http://localhost:65536/x", "'localhost:65536' is no host, or none with a port"),
        ("http://local host/", "'local host' is no host"),
        ("http://local..host/", "'local..host' is no host"),
        ("http://me:secret@localhost/x", "it has a user's name or password, which is not supported"),
        ("http://localhost/a b", "' ' in it must be percent-encoded (a space is %20)"),
        ("http://localhost/ä", "'ä' in it must be percent-encoded"),
    ],
)
def test_a_wrong_url_is_told_before_anything_is_made(url: str, said: str, tmp_path: Path) -> None:
    done = run("download", MODEL, "--url", url, "--to", str(tmp_path / "to"), PYTHONUTF8="1")
    assert done.returncode == 2
    assert f"--url {url!r} is wrong: {said}" in done.stderr
    assert "; it must be such as https://example.org/model.bin." in done.stderr
    assert "network" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_published_file_whose_arguments_are_swapped_is_told(tmp_path: Path) -> None:
    file = "PublishedFile('lexicon.txt', 'http://127.0.0.1/lexicon.txt')"
    code = {
        "swaps": f"from liftwing_host import Model, PublishedFile\nclass It(Model):\n    files = ({file},)"
    }
    site = install(tmp_path / "site", "liftwing-plugin-it", models={"it": "swaps:It"}, code=code)
    done = run("download", "it", "--to", str(tmp_path / "to"), **path_with(site))
    assert done.returncode == 2
    assert (
        f"{file} is wrong: its url and name are the wrong way round: PublishedFile(url, name)." in done.stderr
    )
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": None}, "of the url, it is neither an http nor an https URL; it must be such as https://"),
        ({"url": "https://example.org/ä"}, "of the url, 'ä' in it must be percent-encoded"),
        *[
            ({"name": name}, "the name must be that of a file, such as model.bin")
            for name in (None, "", ".", "/etc/a.bin", "..", "../a.bin", "a/../../b.bin", "https://a/b", "a\0")
        ],
        ({"sha256": "0" * 63}, f"of the sha256 '{'0' * 63}', a SHA-256 checksum has 64 hexadecimal digits"),
        ({"size": "4"}, "the size is '4', and must be a whole number of bytes"),
    ],
)
def test_a_published_file_that_cannot_be_right_is_told_where_it_is_declared(
    wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        PublishedFile(**{"url": "https://example.org/a.bin", "name": "a.bin"} | wrong)
    assert said in told.value.message
