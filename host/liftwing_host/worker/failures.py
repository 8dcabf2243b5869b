"""What is told of an error: to the client, to the log, to the host. Used by every child process."""

from __future__ import annotations

import logging
import traceback

from ..errors import ConfigurationError, LiftwingError
from ..wire import Head, sendable

__all__ = ["failure", "text_of", "traceback_of"]

_LONGEST = 1 << 16
"""Characters of a text. It may be the client's own, of any length, and a head that is too large for `wire` would cost
the process its connection."""

log = logging.getLogger("liftwing_host.worker")


def failure(error: BaseException, hook_name: str) -> Head:
    """The head of an answer that tells of an error; `error` is a text for the client, or None."""
    if isinstance(error, LiftwingError) and not isinstance(error, ConfigurationError):
        # A plugin's own subclass may have left out `super().__init__`.
        message = text_of(getattr(error, "message", error))
        return {
            "status": _status(error),
            "error": message,
            "hook": hook_name,
            "retry_after": _retry_after(error),
        }
    status = 501 if isinstance(error, NotImplementedError) else 500
    return {
        "status": status,
        "error": None,
        "hook": hook_name,
        # In KServe's form, for operators who want clients to see it.
        "cause": f"{type(error).__name__} : {text_of(error)}",
        "traceback": traceback_of(error),
    }


def text_of(told: object) -> str:
    """What a plugin tells, as text that can be sent; what is too long, without its middle."""
    text = sendable(told)
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]} […] {text[-half:]}"


def traceback_of(error: BaseException) -> str:
    """The traceback of an error, likewise."""
    return text_of("".join(traceback.format_exception(error)))


def _retry_after(error: LiftwingError) -> str | None:
    """The value of its header Retry-After; None where it has none, or one that is no number of seconds."""
    told = error.retry_after
    if told is None:
        return None
    seconds = str(told)
    if seconds.isascii() and seconds.isdigit():
        return seconds
    log.error(
        "%s has the retry_after %r, which is no whole number of seconds: none is sent",
        type(error).__name__,
        told,
    )
    return None


def _status(error: LiftwingError) -> int:
    """The HTTP status of an error. With one that is none of an error, the client would take the answer for something
    else, or lose track of where the next one begins."""
    status = getattr(error, "http_status", error.status)
    if isinstance(status, int) and 400 <= status < 600:
        return int(status)
    log.error(
        "%s has the HTTP status %r, which is none of an error: 500 is sent", type(error).__name__, status
    )
    return 500
