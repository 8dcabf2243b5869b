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
import time
from collections.abc import Mapping, Sequence

import aiohttp
import importlib_metadata as metadata

from ..body_arena import Place
from ..certificates import tls_context
from ..errors import (
    HookFailed,
    LiftwingError,
    PredictorFailed,
    PredictorUnavailable,
)
from ..wire import CANCELLED
from .call import AT_PREDICTOR, Answer, Call
from .line import Line
from .predictor_address import PredictorAddress
from .predictor_response import outcome, request_id, too_late, trouble
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
            "request %s: asking the predictor of model %s failed",
            request_id(call),
            call.model,
            exc_info=error,
        )
        call.end(
            HookFailed(
                f"The host failed; its log has the reason under request id {request_id(call)}.", status=500
            )
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
            return too_late(call, address, f"it did not answer within {address.timeout:g} s")

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
                    return trouble(call, address, PredictorUnavailable(call.model), error)
                log.debug(
                    "request %s: connecting to %s again: %s", request_id(call), address.authority, error
                )
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
            return trouble(call, address, failure(call.model), error)
        except aiohttp.ClientOSError as error:
            return trouble(call, address, PredictorUnavailable(call.model), error)
        except aiohttp.ClientError as error:
            return trouble(call, address, PredictorFailed(call.model), error)
        async with response:
            return await outcome(call, address, response, self._largest)

    def _headers(self, call: Call, seconds: float) -> dict[str, str]:
        given: Mapping[str, str] = call.head["request"]["headers"]
        # What a plugin takes as it comes is of the type and the encoding that the client says; all else is JSON.
        raw = self._models[call.model].raw
        kind = given.get("content-type", "application/octet-stream") if raw else "application/json"
        forwarded = (*_FORWARDED, "content-encoding") if raw else _FORWARDED
        headers = {name: given[name] for name in forwarded if name in given}
        return {
            **headers,
            "content-type": kind,
            "x-request-id": request_id(call),
            "x-request-timeout": f"{max(seconds, 0.001):.3f}",
        }
