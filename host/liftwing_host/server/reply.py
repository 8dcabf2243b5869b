"""Replies that the host itself makes, whoever asks: a client's exchange, or an extension's question. Host process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import orjson

from ..errors import LiftwingError
from ..extension import Reply
from ..wire import sendable

__all__ = ["JSON", "Given", "attempt", "date", "error_response", "json_response"]

log = logging.getLogger("liftwing_host.http")

JSON = "application/json"

Given = TypeVar("Given")


def json_response(status: int, value: object) -> Reply:
    """A response that the host itself makes."""
    return Reply(status, orjson.dumps(value))


def error_response(error: LiftwingError) -> Reply:
    """The one envelope of every error."""
    headers = {} if error.retry_after is None else {"Retry-After": error.retry_after}
    return Reply(error.http_status, orjson.dumps({"error": sendable(error.message)}), headers=headers)


def attempt(step: Callable[[Given], Reply | None], given: Given, request: str) -> Reply | None:
    """Take a step towards a response: what it gives, or the error that it raises.

    No coroutine, no task and no future lead from a request to its response; `docs/design.md` says what they cost.

    Args:
        step: The step.
        given: What it is given.
        request: The id of the request, for the log.
    """
    try:
        return step(given)
    except LiftwingError as error:
        # A traceback would keep the request, however large, until the collector comes by.
        error.__traceback__ = None
        return error_response(error)
    except Exception:
        log.exception("request %s failed in the host", request)
        return json_response(
            500, {"error": f"The host failed; its log has the reason under request id {request}."}
        )


_date_cache = (0, "")


def date() -> str:
    """The time for the Date header, made once a second."""
    global _date_cache  # noqa: PLW0603
    now = int(time.time())
    if _date_cache[0] != now:
        # Imported with Tornado's half of the front, while models load; what loads them waits for what is imported here.
        from email.utils import formatdate

        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]
