"""Fetching a model's published files: `liftwing-host download NAME`.

A file is written beside its final name and takes that name only when it is whole and its checksum is right.
What a broken connection leaves is gone on with the next time, if the server still has the same file.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError

__all__ = ["Downloaded", "download"]

_CHUNK = 1 << 18
_TIMEOUT = 60.0
_USER_AGENT = "liftwing-host (https://pypi.org/project/liftwing-host/) Python-urllib"
_TRIES_WITHOUT_PROGRESS = 3

OnProgress = Callable[[int, "int | None"], Any]


class Downloaded(NamedTuple):
    """A file that is there now.

    Attributes:
        path: Where it is.
        sha256: Its checksum in hexadecimal.
        size: Its size in bytes.
    """

    path: Path
    sha256: str
    size: int


def download(url: str, path: Path, sha256: str | None, on_progress: OnProgress) -> Downloaded:
    """Fetch a file, or the rest of it.

    Args:
        url: Where it is published.
        path: Where it is to be.
        sha256: The checksum that it must have, in hexadecimal, where it is known.
        on_progress: Told the bytes that are there, and the bytes that there will be, if the server says.

    Raises:
        ConfigurationError: It cannot be had; the message says why and what to do.
    """
    part = _Part(path)
    futile = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            before = part.size
            try:
                part.fetch(url, on_progress)
                break
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                futile = 0 if part.size > before else futile + 1
                if futile >= _TRIES_WITHOUT_PROGRESS or not _worth_another_try(error):
                    raise ConfigurationError(_explained(url, error, part)) from None
        return part.finish(sha256)
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror or error}.") from None


class _Part:
    """A file that is not whole yet, and what the server said of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def fetch(self, url: str, on_progress: OnProgress) -> None:
        """Ask for what is missing, or for all where the server has another file by now."""
        request = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})  # noqa: S310 - see below
        if request.type not in ("http", "https"):
            raise ConfigurationError(f"{url} is neither an http nor an https URL.")
        validator = self._validator(url)
        if self.size and validator:
            request.add_header("Range", f"bytes={self.size}-")
            request.add_header("If-Range", validator)
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or validator is None:
                raise
            # There is nothing behind what is here: an earlier command ended before it had given the file its name.
            if error.headers.get("Content-Range") == f"bytes */{self.size}":
                return
            self._note.unlink()
            self.fetch(url, on_progress)
            return
        with response:
            resumes = response.status == http.HTTPStatus.PARTIAL_CONTENT
            self._remember(url, response.headers)
            size = self.size if resumes else 0
            length = response.headers.get("Content-Length")
            total = size + int(length) if length is not None else None
            with self._part.open("ab" if resumes else "wb") as file:
                while chunk := _read(response):
                    file.write(chunk)
                    size += len(chunk)
                    on_progress(size, total)
        if total is not None and size < total:
            raise ConnectionError(f"the connection broke after {size} of {total} bytes")

    def finish(self, sha256: str | None) -> Downloaded:
        """Give the file its name, if it is what it should be."""
        with self._part.open("rb") as file:
            found = _digest(file)
        self._note.unlink(missing_ok=True)
        if sha256 is not None and found != sha256.lower():
            self._part.unlink()
            raise ConfigurationError(
                f"What was fetched has the SHA-256 checksum {found}, not {sha256}: it was deleted. Fetch it again, "
                f"or ask the publisher for the checksum."
            )
        size = self.size
        self._part.replace(self._path)
        return Downloaded(self._path, found, size)

    def _validator(self, url: str) -> str | None:
        if not self._note.exists():
            return None
        try:
            note = json.loads(self._note.read_text())
            return str(note["validator"]) if note["url"] == url and note["validator"] else None
        except (ValueError, KeyError, TypeError):
            return None  # It was cut off while it was written.

    def _remember(self, url: str, headers: Any) -> None:
        etag = headers.get("ETag", "")
        # A weak entity tag promises too little for parts of a file to fit together.
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        self._note.write_text(json.dumps({"url": url, "validator": validator}))


def _read(response: http.client.HTTPResponse) -> bytes:
    """The next part of the body, as soon as there is any: `read` would wait for all of it, and lose what had come of it
    when the connection breaks.

    Raises:
        ConnectionError: The network failed. TLS, and a host that cannot be reached any more, raise what the disk does.
    """
    try:
        return response.read1(_CHUNK)
    except OSError as error:
        raise ConnectionError(str(error)) from error


def _digest(file: Any) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _worth_another_try(error: Exception) -> bool:
    return (
        not isinstance(error, urllib.error.HTTPError) or error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    )


def _explained(url: str, error: Exception, part: _Part) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"The server answered {error.code} {error.reason} for {url}."
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    kept = (
        f" The {part.size} bytes that arrived are kept; the same command goes on from there."
        if part.size
        else ""
    )
    return f"Cannot fetch {url}: {reason}. Check the network and the proxy settings (https_proxy).{kept}"
