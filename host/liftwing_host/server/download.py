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

__all__ = ["Downloaded", "Expected", "download"]

_CHUNK = 1 << 18
_TIMEOUT = 60.0
_USER_AGENT = "liftwing-host (https://pypi.org/project/liftwing-host/) Python-urllib"
_TRIES_WITHOUT_PROGRESS = 3
_NOT_UNDERSTOOD = (http.client.InvalidURL, ValueError)
"""What is raised for a proxy, a redirection or a Content-Length that is none."""

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

    @classmethod
    def at(cls, path: Path) -> Downloaded:
        """What is at a path.

        Raises:
            OSError: It cannot be read.
        """
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return cls(path, digest.hexdigest(), file.tell())


class Expected(NamedTuple):
    """What is known of a file before it is there.

    Attributes:
        sha256: Its checksum in hexadecimal.
        size: Its size in bytes; only looked at where there is no checksum.
    """

    sha256: str | None = None
    size: int | None = None

    def unlike(self, found: Downloaded) -> str | None:
        """How a file differs, such as "3 bytes, not 4"; None where it is the one expected."""
        if self.sha256 is not None:
            is_same = found.sha256 == self.sha256.lower()
            return None if is_same else f"SHA-256 {found.sha256}, not {self.sha256}"
        if self.size is not None and found.size != self.size:
            return f"{found.size} bytes, not {self.size}"
        return None


def download(url: str, path: Path, expected: Expected, on_progress: OnProgress) -> Downloaded:
    """Fetch a file, or the rest of it.

    Args:
        url: Where it is published; one in which `url_problem` finds nothing.
        path: Where it is to be.
        expected: What it must be.
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
            except (
                urllib.error.URLError,
                http.client.HTTPException,
                TimeoutError,
                ConnectionError,
                ValueError,
            ) as error:
                futile = 0 if part.size > before else futile + 1
                if futile >= _TRIES_WITHOUT_PROGRESS or not _worth_another_try(error):
                    raise ConfigurationError(_explained(url, error, part)) from None
        return part.finish(expected)
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
        request = urllib.request.Request(url, headers={"User-Agent": _USER_AGENT})  # noqa: S310
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

    def finish(self, expected: Expected) -> Downloaded:
        """Give the file its name, if it is what it should be."""
        found = Downloaded.at(self._part)
        self._note.unlink(missing_ok=True)
        difference = expected.unlike(found)
        if difference:
            self._part.unlink()
            raise ConfigurationError(
                f"What was fetched has {difference}: it was deleted. Fetch it again, or ask its publisher."
            )
        self._part.replace(self._path)
        return found._replace(path=self._path)

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


def _worth_another_try(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, _NOT_UNDERSTOOD)


def _explained(url: str, error: Exception, part: _Part) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"The server answered {error.code} {error.reason} for {url}."
    if isinstance(error, _NOT_UNDERSTOOD):
        advice = "Check the proxy settings (https_proxy), and where the server redirects to."
        return f"Cannot fetch {url}: {error}. {advice}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    kept = (
        f" The {part.size} bytes that arrived are kept; the same command goes on from there."
        if part.size
        else ""
    )
    return f"Cannot fetch {url}: {reason}. Check the network and the proxy settings (https_proxy).{kept}"
