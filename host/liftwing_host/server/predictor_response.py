"""What becomes of the predictor's responses: the answers of its models, and the errors that clients are told. Host process."""

from __future__ import annotations

import logging
import re
from email.utils import parsedate_tz

import aiohttp
import orjson

from ..errors import DeadlineExceeded, LiftwingError, PredictorFailed, PredictorUnavailable
from .call import AT_PREDICTOR, Answer, Call
from .predictor_address import PredictorAddress

__all__ = ["outcome", "request_id", "too_late", "trouble"]

log = logging.getLogger("liftwing_host.predictor")

_LONGEST_ERROR = 64 * 1024
"""Bytes of an error that are looked into."""
_LONGEST_TEXT = 2000
_SECONDS = re.compile("[0-9]{1,9}")


async def outcome(
    call: Call, address: PredictorAddress, response: aiohttp.ClientResponse, largest: int
) -> Answer | LiftwingError:
    """What the caller gets of a predictor's response: its answer, or the error.

    Args:
        call: What was asked.
        address: Who was asked.
        response: The response, whose body has not been read.
        largest: Bytes that an answer may have.
    """
    try:
        body = await _read(response, largest)
    except aiohttp.ClientError as error:
        return trouble(call, address, PredictorFailed(call.model), error)
    if body is None:
        why = f"its answer is larger than {largest} bytes"
        return trouble(call, address, PredictorFailed(call.model), why)
    if response.status != 200:
        return _error(call, address, response, body)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        return trouble(call, address, PredictorFailed(call.model), f"its answer is {encoding}")
    return Answer({"status": 200, "content_type": _header(response, "Content-Type")}, body)


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes | None:
    """The body; None if it is too large."""
    if (response.content_length or 0) > largest:
        return None
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > largest:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _error(
    call: Call, address: PredictorAddress, response: aiohttp.ClientResponse, body: bytes
) -> LiftwingError:
    """What the client is told of an answer that is none."""
    status = response.status
    told = _text(body)
    if 400 <= status < 500:
        hidden = told is None or address.is_told_by(told)
        generic = f"The predictor of model {call.model} refused the request ({status})."
        error = LiftwingError(generic if hidden or told is None else told, status=status)
        error.retry_after = _retry_after(response)
        return error
    why = f"it answered {status} {told or ''}".rstrip()
    if status == 503:
        unavailable = PredictorUnavailable(call.model)
        unavailable.retry_after = _retry_after(response) or unavailable.retry_after
        return trouble(call, address, unavailable, why)
    if status == 504:
        return too_late(call, address, why)
    return trouble(call, address, PredictorFailed(call.model), why)


def _header(response: aiohttp.ClientResponse, name: str) -> str | None:
    """A header that can be sent on; None if there is none."""
    value = response.headers.get(name, "")
    return value if value.isascii() and value.isprintable() and value else None


def _retry_after(response: aiohttp.ClientResponse) -> str | None:
    """Retry-After, if it is seconds or a date; of anything else, urllib3, for one, makes an exception of its own."""
    value = _header(response, "Retry-After")
    return value if value and (_SECONDS.fullmatch(value) or parsedate_tz(value)) else None


def _text(body: bytes) -> str | None:
    """The text of an error: `error` in KServe's envelope, `detail` in FastAPI's, `message` in TorchServe's."""
    try:
        told = orjson.loads(body) if len(body) <= _LONGEST_ERROR else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):
        return None
    for key in ("error", "detail", "message"):
        value = told.get(key)
        if isinstance(value, list):  # FastAPI's of a body that does not fit its schema
            value = "; ".join(str(item["msg"]) for item in value if isinstance(item, dict) and "msg" in item)
        if isinstance(value, str) and value:
            return value[:_LONGEST_TEXT]
    return None


def too_late(call: Call, address: PredictorAddress, why: str) -> LiftwingError:
    """The error of a call whose time is over."""
    told = f"The request to {call.model} ran out of time in {AT_PREDICTOR}."
    return trouble(call, address, DeadlineExceeded(told), why)


def trouble(
    call: Call, address: PredictorAddress, error: LiftwingError, why: BaseException | str
) -> LiftwingError:
    """The error, once the log has the address and the reason, which the client does not get."""
    reason = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else why
    # What a predictor says may be what a client said: it must not look like lines of the log.
    line = "".join(character if character.isprintable() else " " for character in reason)
    log.warning(
        "request %s: the predictor of model %s at %s: %s",
        request_id(call),
        call.model,
        address.authority,
        line,
    )
    return error


def request_id(call: Call) -> str:
    """The id of the request that a call belongs to."""
    return str(call.head["request"]["id"])
