"""`liftwing-host download`, against a real HTTP server of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from command import run
from distributions import install, path_with

CONTENT = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MODEL = "outlink-topic-model"


class Publisher(ThreadingHTTPServer):
    """Serves one file, with ranges, and misbehaves on demand."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.break_after: list[int] = []
        self.breaks_with = b""
        self.status = 200
        self.redirects_to: str | None = None
        self.tells_size = True
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/model.bin"


class Handler(BaseHTTPRequestHandler):
    server: Publisher

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        publisher = self.server
        publisher.asked.append({name.lower(): value for name, value in self.headers.items()})
        if publisher.redirects_to:
            self.send_response(302)
            self.send_header("Location", publisher.redirects_to)
            self.end_headers()
            return
        if publisher.status != 200:
            self.send_error(publisher.status)
            return
        content, start = publisher.content, 0
        if "Range" in self.headers and self.headers.get("If-Range") == publisher.etag:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.send_response(416)
            if publisher.tells_size:
                self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", publisher.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + publisher.break_after.pop(0) if publisher.break_after else len(content)
        self.wfile.write(content[start:end])
        if end < len(content):
            # Past TLS, where there is any.
            os.write(self.connection.fileno(), publisher.breaks_with)


def plugin_with(site: Path, file: str) -> dict[str, str]:
    """Install a model `it` with one published file; where the command finds it."""
    source = f"from liftwing_host import Model, PublishedFile\nclass It(Model):\n    files = ({file},)"
    install(site, "liftwing-plugin-it", models={"it": "has_file:It"}, code={"has_file": source})
    return path_with(site)


@contextmanager
def serving(server: Publisher) -> Iterator[Publisher]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serving(Publisher()) as server:
        yield server


def test_the_file_arrives_whole_and_its_checksum_is_told(publisher: Publisher, tmp_path: Path) -> None:
    done = run(
        "download", MODEL, "--url", publisher.url, "--sha256", SHA256, LIFTWING_DOWNLOADS=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / MODEL / "model.bin"
    assert path.read_bytes() == CONTENT
    assert f"{path}: {len(CONTENT)} bytes, SHA-256 {SHA256}" in done.stdout
    assert [entry.name for entry in path.parent.iterdir()] == ["model.bin"]
    assert "model.bin: 2.0 of 2.0 MiB" in done.stderr
    assert publisher.asked[0]["user-agent"].startswith("liftwing-host")


def test_a_file_that_is_there_is_not_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"mine")
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 0
    assert "is there already. Delete it to fetch it again." in done.stdout
    assert publisher.asked == []


@pytest.mark.parametrize("given", [("--sha256", SHA256.upper()), ()], ids=["option", "plugin"])
def test_a_file_that_is_there_is_compared_with_the_checksum_that_is_known(
    publisher: Publisher, tmp_path: Path, given: tuple[str, ...]
) -> None:
    # The size is not what counts then.
    declared = f"sha256={'0' * 64 if given else SHA256!r}, size=1"
    environ = plugin_with(tmp_path / "site", f"PublishedFile({publisher.url!r}, 'model.bin', {declared})")
    path = tmp_path / "model.bin"
    path.write_bytes(CONTENT)
    done = run("download", "it", "--to", str(tmp_path), *given, **environ)
    assert done.returncode == 0, done.stderr
    assert (
        f"{path} is there already, and is the one wanted: {len(CONTENT)} bytes, SHA-256 {SHA256}"
        in done.stdout
    )
    path.write_bytes(b"mine")
    done = run("download", "it", "--to", str(tmp_path), *given, **environ)
    assert done.returncode == 2
    mine = hashlib.sha256(b"mine").hexdigest()
    wanted = given[-1] if given else SHA256
    assert f"{path} has SHA-256 {mine}, not {wanted}. Delete it to fetch it again." in done.stderr
    assert path.read_bytes() == b"mine"
    assert publisher.asked == []


def test_without_a_checksum_the_size_that_the_plugin_declares_is_what_counts(
    publisher: Publisher, tmp_path: Path
) -> None:
    environ = plugin_with(tmp_path / "site", f"PublishedFile({publisher.url!r}, 'model.bin', size=4)")
    path = tmp_path / "model.bin"
    path.write_bytes(b"mine")
    assert (
        f"{path} is there already, and is" in run("download", "it", "--to", str(tmp_path), **environ).stdout
    )
    path.write_bytes(b"not mine")
    other = run("download", "it", "--to", str(tmp_path), **environ)
    assert other.returncode == 2
    assert f"{path} has 8 bytes, not 4. Delete it to fetch it again." in other.stderr
    path.unlink()
    fetched = run("download", "it", "--to", str(tmp_path), **environ)
    assert fetched.returncode == 2
    assert f"What was fetched has {len(CONTENT)} bytes, not 4: it was deleted." in fetched.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.bin").mkdir()
    done = run("download", MODEL, "--to", str(tmp_path), "--sha256", SHA256)
    assert done.returncode == 2
    assert f"Cannot read {tmp_path}/model.bin: Is a directory." in done.stderr


def test_a_connection_that_breaks_is_resumed_where_it_broke(publisher: Publisher, tmp_path: Path) -> None:
    publisher.break_after = [700_000, 500_000]
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert [asked.get("range") for asked in publisher.asked] == [None, "bytes=700000-", "bytes=1200000-"]


def test_a_later_command_goes_on_where_an_earlier_one_ended(publisher: Publisher, tmp_path: Path) -> None:
    publisher.break_after = [300_000, 0, 0, 0]
    first = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert first.returncode == 2
    assert "The 300000 bytes that arrived are kept; the same command goes on from there." in first.stderr
    assert not (tmp_path / "model.bin").exists()
    publisher.break_after = []
    second = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert second.returncode == 0, second.stderr
    assert publisher.asked[-1]["range"] == "bytes=300000-"
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_network_that_fails_within_the_body_is_not_told_as_a_disk_that_does(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(certificates)
    with serving(Publisher()) as publisher:
        publisher.socket = certificates.wrap_socket(publisher.socket, server_side=True)
        publisher.break_after = [1_100_000, 0, 0, 0]  # within what would be read at once
        publisher.breaks_with = b"no TLS" * 10
        url = publisher.url.replace("http:", "https:")
        command = ("download", MODEL, "--url", url, "--to", str(tmp_path / "to"))
        first = run(*command, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert first.returncode == 2
        assert f"Cannot fetch {url}: [SSL" in first.stderr
        kept = "The 1100000 bytes that arrived are kept; the same command goes on from there."
        assert kept in first.stderr
        second = run(*command, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert second.returncode == 0, second.stderr
        assert publisher.asked[-1]["range"] == "bytes=1100000-"
    assert (tmp_path / "to" / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("tells_size", [True, False])
def test_a_file_that_was_whole_but_for_its_name_gets_it(
    publisher: Publisher, tmp_path: Path, tells_size: bool
) -> None:
    publisher.tells_size = tells_size
    # An earlier command was ended while it computed the checksum.
    (tmp_path / "model.bin.part").write_bytes(CONTENT)
    note = {"url": publisher.url, "validator": publisher.etag}
    (tmp_path / "model.bin.part.json").write_text(json.dumps(note))
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path), "--sha256", SHA256)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert len(publisher.asked) == (1 if tells_size else 2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.bin"]


@pytest.mark.parametrize("note", ["", '{"url": "', "{}", "[]"])
def test_a_note_that_was_cut_off_has_the_file_fetched_from_its_beginning(
    publisher: Publisher, tmp_path: Path, note: str
) -> None:
    (tmp_path / "model.bin.part").write_bytes(b"something else")
    (tmp_path / "model.bin.part.json").write_text(note)
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(
    publisher: Publisher, tmp_path: Path
) -> None:
    publisher.break_after = [300_000, 0, 0, 0]
    run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    publisher.break_after, publisher.etag, publisher.content = [], '"two"', CONTENT[::-1]
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.bin").read_bytes() == CONTENT[::-1]


def test_a_wrong_checksum_leaves_no_file(publisher: Publisher, tmp_path: Path) -> None:
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path), "--sha256", "0" * 64)
    assert done.returncode == 2
    assert f"What was fetched has SHA-256 {SHA256}, not {'0' * 64}: it was deleted." in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_the_server_refuses_is_told_at_once(publisher: Publisher, tmp_path: Path) -> None:
    publisher.status = 404
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 2
    assert f"The server answered 404 Not Found for {publisher.url}." in done.stderr
    assert len(publisher.asked) == 1


def test_no_network_is_told_with_what_to_check(nowhere: str, tmp_path: Path) -> None:
    done = run("download", MODEL, "--url", f"{nowhere}/model.bin", "--to", str(tmp_path))
    assert done.returncode == 2
    assert "Connection refused. Check the network and the proxy settings" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["echo"], "echo has no published files: there is nothing to download."),
        ([MODEL, "--url", "file:///etc/passwd"], "is neither an http nor an https URL"),
        (["missing-module"], "cannot be imported: ModuleNotFoundError"),
        (["outlink-topic-modle"], "Did you mean outlink-topic-model?"),
    ],
)
def test_what_cannot_be_downloaded_is_explained(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = run("download", *arguments, "--to", str(tmp_path))
    assert done.returncode == 2
    assert said in done.stderr


def test_a_wrong_checksum_option_is_told_before_anything_is_fetched(
    publisher: Publisher, tmp_path: Path
) -> None:
    done = run("download", MODEL, "--url", publisher.url, "--sha256", "", "--to", str(tmp_path / "to"))
    assert done.returncode == 2
    assert "--sha256 '' is wrong: a SHA-256 checksum has 64 hexadecimal digits." in done.stderr
    assert (publisher.asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize("target", ["http://[bad/", "http://local..host/", "http://localhost:port/"])
def test_a_redirection_to_what_is_no_url_is_told(publisher: Publisher, tmp_path: Path, target: str) -> None:
    publisher.redirects_to = target
    done = run("download", MODEL, "--url", publisher.url, "--to", str(tmp_path))
    assert done.returncode == 2
    assert f"Cannot fetch {publisher.url}: " in done.stderr
    assert "Check the proxy settings (https_proxy), and where the server redirects to." in done.stderr
    assert "Traceback" not in done.stderr
    assert len(publisher.asked) == 1


def test_a_published_file_may_go_to_a_folder_of_its_own(publisher: Publisher, tmp_path: Path) -> None:
    environ = plugin_with(tmp_path / "site", f"PublishedFile({publisher.url!r}, 'en/model.bin')")
    done = run("download", "it", "--to", str(tmp_path), **environ)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "en" / "model.bin").read_bytes() == CONTENT
