"""A model's published file: where it is, what it is called here, and how it is known again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from .errors import ConfigurationError

__all__ = ["PublishedFile", "sha256_problem", "url_problem"]

# Compiled when they are first needed: most plugins have no such file, and each process would pay for it.
_SHA256 = "[0-9A-Fa-f]{64}"
_NOT_IN_URLS = "[^!-~]"


@dataclass(frozen=True)
class PublishedFile:
    """A file of a model that is too large to ship in a wheel, and where it is published.

    Attributes:
        url: Where it can be fetched: an http or https URL.
        name: Its name in the folder of the model's downloads (`ModelConfig.downloads`); with slashes, a path in there.
        sha256: Its checksum in hexadecimal, where the publisher gives one.
        size: Its size in bytes, where it is known. Only looked at where there is no checksum.
        licence: The licence under which it is published.

    Raises:
        ConfigurationError: One of them cannot be right; the message says which.
    """

    url: str
    name: str
    sha256: str | None = None
    size: int | None = None
    licence: str = ""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ConfigurationError(f"PublishedFile({self.url!r}, {self.name!r}) is wrong: {problem}.")

    def _problem(self) -> str | None:
        url = url_problem(self.url)
        if url:
            if not url_problem(self.name):
                return "its url and name are the wrong way round: PublishedFile(url, name)"
            return f"of the url, {url}"
        if not _is_name(self.name):
            return "the name must be that of a file, such as model.bin, or a path such as en/model.bin"
        if self.sha256 is not None and (checksum := sha256_problem(self.sha256)):
            return f"of the sha256 {self.sha256!r}, {checksum}"
        if self.size is not None and (type(self.size) is not int or self.size < 0):
            return f"the size is {self.size!r}, and must be a whole number of bytes"
        return None


def url_problem(url: object) -> str | None:
    """What keeps something from being a URL that files can be fetched from, and what it must be; None: nothing."""
    problem = _url_problem(url)
    return f"{problem}; it must be such as https://example.org/model.bin" if problem else None


def sha256_problem(sha256: object) -> str | None:
    """What keeps something from being a SHA-256 checksum; None: nothing."""
    is_right = isinstance(sha256, str) and re.fullmatch(_SHA256, sha256)
    return None if is_right else "a SHA-256 checksum has 64 hexadecimal digits"


def _url_problem(url: object) -> str | None:
    scheme, _, rest = url.partition("://") if isinstance(url, str) else ("", "", "")
    if scheme.lower() not in ("http", "https"):
        return "it is neither an http nor an https URL"
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return "it has a user's name or password, which is not supported"
    if not _is_authority(authority):
        return f"{authority!r} is no host, or none with a port" if authority else "it has no host"
    strange = re.search(_NOT_IN_URLS, rest)
    return f"{strange[0]!r} in it must be percent-encoded (a space is %20)" if strange else None


def _is_authority(text: str) -> bool:
    from urllib.parse import urlsplit  # Not at every start.

    try:
        parts = urlsplit(f"//{text}")
        # What resolves names takes none that this encoding refuses: an empty label, or one that is too long.
        host = (parts.hostname or "").encode("idna")
        return bool(host) and parts.port != 0 and not re.search(_NOT_IN_URLS, text)
    except ValueError:
        return False


def _is_name(name: object) -> bool:
    """Whether it is that of a file within the folder that it is put in."""
    if not isinstance(name, str) or "\0" in name or "://" in name:
        return False
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
