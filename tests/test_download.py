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
    assert f"has the SHA-256 checksum {SHA256}, not {'0' * 64}" in done.stderr
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
