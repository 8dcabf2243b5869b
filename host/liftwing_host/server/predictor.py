"""The client of a transformer's predictor: the remote legs of a pool, over HTTP. Host process.

It stands in its line where a worker stands in others: it is given calls, and has room for so many at once. Each call
has a connection to itself while it is under way; no call is ever sent twice, unless no connection could be made for
it.
"""

from __future__ import annotations

import asyncio
import functools
import io
import logging
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_tz

import aiohttp
import importlib_metadata as metadata
import orjson

from ..body_arena import Place
from ..certificates import tls_context
from ..errors import (
    DeadlineExceeded,
    HookFailed,
    LiftwingError,
    PredictorFailed,
    PredictorUnavailable,
)
from ..wire import CANCELLED
from .call import AT_PREDICTOR, Answer, Call
from .line import Line
from .predictor_address import PredictorAddress
from .served_model import ServedModel
from .settings import HostSettings

__all__ = ["Predictor"]

log = logging.getLogger("liftwing_host.predictor")

_FORWARDED = ("authorization", "traceparent", "tracestate", "x-b3-traceid")
_PAUSES = (0.1, 0.4)
"""Seconds before each further attempt to connect."""
_CONNECT = 5.0
"""Seconds after which a connection counts as impossible."""
_IDLE = 4.0
"""Seconds that a connection is kept for the next call: less than the 5 after which KServe's server (up to 0.19) closes
it, so that no call is sent over one that is just being closed."""
_LONGEST_ERROR = 64 * 1024
"""Bytes of an error that are looked into."""
_LONGEST_TEXT = 2000
_SECONDS = re.compile("[0-9]{1,9}")


class Predictor:
    """Asks the predictors of a pool's models.

    Args:
        models: The models; those that are no transformers are never asked for.
        host: How many calls may be under way, how large an answer may be, and which certificates are trusted.

    Attributes:
        role: What it is beside workers.
        line: The calls that wait for it.

    Raises:
        ConfigurationError: There are no certificates where REQUESTS_CA_BUNDLE says.
    """

    role = "remote"

    def __init__(self, models: Sequence[ServedModel], host: HostSettings) -> None:
        self.line = Line()
        self._models = {model.name: model for model in models}
        self._places = host.max_concurrency
        self._largest = host.max_body_size
        tls = any(model.predictor is not None and model.predictor.tls for model in models)
        self._tls = tls_context(host.requests_ca_bundle) if tls else True
        self._tasks: dict[int, asyncio.Task[Answer | LiftwingError]] = {}
        self._session: aiohttp.ClientSession | None = None
        self.line.has_room(self)

    @property
    def room(self) -> int:
        """How many more calls it may be given now."""
        return self._places - len(self._tasks)

    def give(self, calls: Sequence[Call]) -> None:
        """Have it send calls."""
        if self._session is None:
            self._session = self._open()
        for call in calls:
            call.worker = self
            task = asyncio.get_running_loop().create_task(self._ask(call, self._session))
            self._tasks[call.id] = task
            task.add_done_callback(functools.partial(self._ended, call))

    def watch(self, call: Call) -> None:
        """Nobody waits for the call any more: `cancel` ends it."""

    def cancel(self, call: Call) -> None:
        """End a call, and its connection."""
        if call.id in self._tasks:
            self._tasks[call.id].cancel()

    async def close(self) -> None:
        """End all calls, and close all connections."""
        self._places = 0  # What waits is not begun in the place of what ends.
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Proxies and cookies are for browsers; and the bytes that come are those that are sent on.
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Accept-Encoding": "identity",
                "User-Agent": f"liftwing-host/{metadata.version('liftwing-host')}",
            },
            auto_decompress=False,
            trust_env=False,
        )

    def _ended(self, call: Call, task: asyncio.Task[Answer | LiftwingError]) -> None:
        del self._tasks[call.id]
        self.line.has_room(self)
        if task.cancelled():
            call.end(Answer({"status": CANCELLED, "error": None, "hook": AT_PREDICTOR}, b""))
            return
        error = task.exception()
        if error is None:
            call.end(task.result())
            return
        log.error(
            "request %s: asking the predictor of model %s failed", _id(call), call.model, exc_info=error
        )
        call.end(
            HookFailed(f"The host failed; its log has the reason under request id {_id(call)}.", status=500)
        )

    async def _ask(self, call: Call, session: aiohttp.ClientSession) -> Answer | LiftwingError:
        address = self._models[call.model].predictor
        assert address is not None
        left = call.deadline - time.monotonic()
        if address.timeout is None or address.timeout >= left:
            return await self._connected(call, address, session, left)
        try:
            return await asyncio.wait_for(
                self._connected(call, address, session, address.timeout), address.timeout
            )
        except (asyncio.TimeoutError, TimeoutError):
            return _too_late(call, address, f"it did not answer within {address.timeout:g} s")

    async def _connected(
        self, call: Call, address: PredictorAddress, session: aiohttp.ClientSession, seconds: float
    ) -> Answer | LiftwingError:
        """Send a call; once more, and again, while no connection can be made."""
        until = time.monotonic() + seconds
        pauses = iter(_PAUSES)
        while True:
            try:
                return await self._post(call, address, session, until - time.monotonic())
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                pause = next(pauses, None)
                if pause is None:
                    return _trouble(call, address, PredictorUnavailable(call.model), error)
                log.debug("request %s: connecting to %s again: %s", _id(call), address.authority, error)
            await asyncio.sleep(pause)

    async def _post(
        self, call: Call, address: PredictorAddress, session: aiohttp.ClientSession, seconds: float
    ) -> Answer | LiftwingError:
        body = io.BytesIO(call.body.view if isinstance(call.body, Place) else call.body)
        try:
            response = await session.post(
                address.url(call.model),
                data=body,
                headers=self._headers(call, seconds),
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except aiohttp.ServerDisconnectedError as error:
            begun = not isinstance(error.message, str)
            failure = PredictorFailed if begun else PredictorUnavailable
            return _trouble(call, address, failure(call.model), error)
        except aiohttp.ClientOSError as error:
            return _trouble(call, address, PredictorUnavailable(call.model), error)
        except aiohttp.ClientError as error:
            return _trouble(call, address, PredictorFailed(call.model), error)
        async with response:
            return await self._outcome(call, address, response)

    def _headers(self, call: Call, seconds: float) -> dict[str, str]:
        given: Mapping[str, str] = call.head["request"]["headers"]
        # What a plugin takes as it comes is of the type that the client says; all else is JSON.
        raw = self._models[call.model].raw
        kind = given.get("content-type", "application/octet-stream") if raw else "application/json"
        headers = {name: given[name] for name in _FORWARDED if name in given}
        return {
            **headers,
            "content-type": kind,
            "x-request-id": _id(call),
            "x-request-timeout": f"{max(seconds, 0.001):.3f}",
        }

    async def _outcome(
        self, call: Call, address: PredictorAddress, response: aiohttp.ClientResponse
    ) -> Answer | LiftwingError:
        try:
            body = await _read(response, self._largest)
        except aiohttp.ClientError as error:
            return _trouble(call, address, PredictorFailed(call.model), error)
        if body is None:
            why = f"its answer is larger than {self._largest} bytes"
            return _trouble(call, address, PredictorFailed(call.model), why)
        if response.status != 200:
            return _error(call, address, response, body)
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            return _trouble(call, address, PredictorFailed(call.model), f"its answer is {encoding}")
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
        return _trouble(call, address, unavailable, why)
    if status == 504:
        return _too_late(call, address, why)
    return _trouble(call, address, PredictorFailed(call.model), why)


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


def _too_late(call: Call, address: PredictorAddress, why: str) -> LiftwingError:
    told = f"The request to {call.model} ran out of time in {AT_PREDICTOR}."
    return _trouble(call, address, DeadlineExceeded(told), why)


def _trouble(
    call: Call, address: PredictorAddress, error: LiftwingError, why: BaseException | str
) -> LiftwingError:
    """The error, once the log has the address and the reason, which the client does not get."""
    reason = f"{type(why).__name__}: {why}" if isinstance(why, BaseException) else why
    # What a predictor says may be what a client said: it must not look like lines of the log.
    line = "".join(character if character.isprintable() else " " for character in reason)
    log.warning(
        "request %s: the predictor of model %s at %s: %s", _id(call), call.model, address.authority, line
    )
    return error


def _id(call: Call) -> str:
    return str(call.head["request"]["id"])
