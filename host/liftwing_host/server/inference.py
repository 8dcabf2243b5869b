"""`POST /v1/models/NAME:predict`: a request on its way through the legs of its model."""

from __future__ import annotations

import asyncio
import logging
import math

from ..body_arena import Body
from ..errors import (
    DeadlineExceeded,
    ExplainerNotFound,
    HookFailed,
    InvalidInput,
    LiftwingError,
    ModelNotReady,
    Overloaded,
)
from ..wire import CANCELLED
from .call import Answer, Call
from .exchange import ClientLeft, Exchange, Response
from .host import Host
from .served_model import ServedModel

__all__ = ["Inference"]

log = logging.getLogger("liftwing_host.inference")

TIMEOUT_HEADER = "x-request-timeout"
"""The client's own limit, in seconds; it can shorten the operator's, not lengthen it."""

_STEP = {"decode": "Reading the request", "encode": "Encoding the response"}


class Inference:
    """The routes that run a model."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def predict(self, exchange: Exchange) -> Response:
        """Run the model's legs one after the other.

        Raises:
            LiftwingError: Whatever the client is to be told.
            ClientLeft: There is nobody to be told.
        """
        model = self._host.model(exchange.path_arguments["name"])
        if not model.ready:
            raise ModelNotReady(model.name)
        if model.settings.queue_size is not None and model.pool.full_for(model, model.settings.queue_size):
            raise Overloaded(model.name)
        return await _Passage(model, exchange).run()

    def explain(self, exchange: Exchange) -> Response:
        """No model here explains: KServe's answer to that."""
        self._host.model(exchange.path_arguments["name"])
        raise ExplainerNotFound


class _Passage:
    """One request, its deadline, and the leg that it is in."""

    def __init__(self, model: ServedModel, exchange: Exchange) -> None:
        self._model = model
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._timeout = _timeout(model, exchange)
        # The event loop's clock is time.monotonic, which is one for all processes of the machine.
        self._deadline = self._loop.time() + self._timeout
        self._number = 0
        self._call: Call | None = None
        self._expired = False
        self._left = False

    async def run(self) -> Response:
        timer = self._loop.call_at(self._deadline, self._expire)
        self._exchange.on_client_left(self._leave)
        self._model.pool.request_begins()
        try:
            return await self._legs()
        finally:
            self._model.pool.request_ends()
            timer.cancel()

    async def _legs(self) -> Response:
        body: Body = self._exchange.body
        request = {
            "id": self._exchange.id,
            "protocol": "v1",
            "headers": self._exchange.headers,
            "deadline": self._deadline,
        }
        answer: Answer | None = None
        for number, leg in enumerate(self._model.legs):
            self._number = number
            # Between two legs there is no call that could be failed.
            if self._left:
                raise ClientLeft
            if self._expired:
                raise self._too_late(f"the queue before {leg.hooks[0]}")
            self._call = Call(self._model.name, leg, number, request, body, self._deadline, self._timeout)
            answer = await self._model.pool.run(self._call, leg)
            if self._expired:
                # Its hook was cancelled; whatever it made of that, the time is over.
                raise self._too_late(answer.head.get("hook") or " or ".join(leg.hooks))
            if answer.status != 200:
                raise self._error(answer)
            body = answer.body
        assert answer is not None  # Every model has a predict hook, and so a leg.
        return Response(200, answer.body, answer.head["content_type"])

    def _expire(self) -> None:
        """The time is over. An async hook is cancelled and says where it was; a compute hook cannot be asked."""
        self._expired = True
        call, leg = self._call, self._model.legs[self._number]
        if call is None or call.answered.done():
            return
        waits = call.worker is None
        hook = self._model.pool.hook_of(call)
        self._model.pool.drop(call, leg)
        if waits or leg.kind == "compute":
            call.fail(self._too_late(hook))

    def _leave(self) -> None:
        self._left = True
        call, leg = self._call, self._model.legs[self._number]
        if call is not None and not call.answered.done():
            self._model.pool.drop(call, leg)
            call.fail(ClientLeft())

    def _too_late(self, where: str) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"The request to {self._model.name} ran out of time ({self._timeout:g} s) in {where}."
        )

    def _error(self, answer: Answer) -> LiftwingError:
        head, name = answer.head, self._model.name
        if head["error"] is not None:
            return LiftwingError(head["error"], status=answer.status)
        log.error(
            "request %s: %s of model %s failed\n%s",
            self._exchange.id, head["hook"], name, head.get("traceback", "the hook cancelled itself"),
        )  # fmt: skip
        status = 500 if answer.status == CANCELLED else answer.status
        if self._model.settings.expose_errors and "cause" in head:
            return HookFailed(head["cause"], status=status)
        step = _STEP.get(head["hook"], f"The hook {head['hook']}")
        return HookFailed(
            f"{step} of model {name} failed; the log has the reason under request id {self._exchange.id}.",
            status=status,
        )


def _timeout(model: ServedModel, exchange: Exchange) -> float:
    """Seconds that a request may take: the model's, or less where the client asks for less."""
    longest = model.settings.timeout
    assert longest is not None
    asked = exchange.headers.get(TIMEOUT_HEADER)
    if asked is None:
        return longest
    try:
        seconds = float(asked)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise InvalidInput(f"Expected the header {TIMEOUT_HEADER} to be a number of seconds greater than 0.")
    return min(longest, seconds)
