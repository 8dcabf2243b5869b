"""The id of a request, by which the log and the client name it. Host process."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

__all__ = ["request_id"]

_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_IDS_AT_ONCE = 256
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_random: list[str] = []


def request_id(headers: Mapping[str, str]) -> str:
    """The client's `x-request-id` where it is printable ASCII of at most 128 characters, or a new one."""
    given = headers.get("x-request-id")
    return given if given is not None and _REQUEST_ID.fullmatch(given) else _new_id()


def _new_id() -> str:
    """A random UUID (version 4), without the object that `uuid.uuid4` makes of it: one is made for each request."""
    if not _random:
        # The kernel is asked once for many.
        _random.extend(os.urandom(16 * _IDS_AT_ONCE).hex("\n", 16).split("\n"))
    digits = _random.pop()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
