"""A request on its way through the legs of its model. Host process.

A passage moves when something happens to it: an answer arrives, its time is over, its client leaves. Nothing waits
in a coroutine for any of these.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time

import orjson

from ..body_arena import Body
from ..errors import HookFailed, InvalidInput, LiftwingError, Overloaded
from ..extension import Event, Reply
from ..wire import CANCELLED, sendable
from .call import Answer, Call
from .exchange import Conversation
from .host import Host
from .reply import JSON
from .served_model import ServedModel

__all__ = ["Passage"]

log = logging.getLogger("liftwing_host.inference")

TIMEOUT_HEADER = "x-request-timeout"
"""The client's own limit, in seconds; it can shorten the operator's, not lengthen it."""

_STEP = {
    "decode": "Reading the request",
    "encode": "Encoding the response",
    "encode features": "Encoding the features for the predictor",
    "encode prediction": "Encoding the prediction for the transformer",
}


class Passage:
    """One request, its deadline, and the leg that it is in."""

    __slots__ = (
        "_call", "_deadline", "_exchange", "_expired", "_host", "_model", "_number", "_operators_deadline", "_request", "_timeout",
        "_timer",
    )  # fmt: skip

    def __init__(self, host: Host, model: ServedModel, exchange: Conversation) -> None:
        self._host = host
        self._model = model
        self._exchange = exchange
        self._timeout = _timeout(model, exchange)
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        self._call: Call
        self._expired = False

    def begin(self) -> None:
        """Go into the first leg."""
        model = self._model
        if self._timeout == model.deadlines.seconds:
            self._deadline = self._operators_deadline = model.deadlines.add(self)
        else:
            now = time.monotonic()
            self._deadline = now + self._timeout
            self._operators_deadline = now + model.deadlines.seconds
            self._timer = asyncio.get_running_loop().call_at(self._deadline, self.expire)
        self._request = {
            "id": self._exchange.id,
            "protocol": "v1",
            "headers": self._exchange.headers,
            "deadline": self._deadline,
        }
        self._exchange.on_client_left(self._leave)
        model.pool.request_begins()
        self._run(self._exchange.body)

    def expire(self) -> None:
        """The time is over. An async hook is cancelled and says where it was; a compute hook cannot be asked."""
        self._expired = True
        call, leg = self._call, self._model.legs[self._number]
        self._model.pool.drop(call, leg)
        waits = call.worker is None
        hook = self._model.pool.hook_of(call)
        if waits or leg.kind == "compute":
            call.end(call.too_late(hook))

    def _run(self, body: Body) -> None:
        """Go into the leg whose turn it is."""
        leg = self._model.legs[self._number]
        self._call = Call(
            self._model.name, leg, self._number, self._request, body, self._deadline, self._timeout,
            self._operators_deadline, self._ended, self._exchange.share if not self._number else None,
        )  # fmt: skip
        self._model.pool.run(self._call, leg)

    def _ended(self, outcome: Answer | LiftwingError) -> None:
        self._exchange.attempt(self._go_on, outcome)

    def _go_on(self, outcome: Answer | LiftwingError) -> Reply | None:
        """The response that follows from a leg's outcome, or None if another leg does."""
        if isinstance(outcome, Answer) and outcome.head["status"] == 200 and not self._expired:
            if self._number + 1 < len(self._model.legs):
                self._number += 1
                leg = self._model.legs[self._number]
                if leg.kind != "async" and self._model.pool.full_for(self._model, (leg,)):
                    # There was room when it arrived; meanwhile others came out of the leg before.
                    self._end()
                    raise Overloaded(self._model.name)
                self._run(outcome.body)
                return None
            self._end()
            response = Reply(200, outcome.body, outcome.head["content_type"])
            events = outcome.head.get("events")
            if not events or self._host.events is None:
                return response
            # It is through: there is nothing left to drop if the client leaves now.
            self._exchange.on_client_left(_ignore)
            self._host.events.hand_over(
                [Event(event, self._model.name, self._exchange.id) for event in events],
                functools.partial(self._exchange.attempt, functools.partial(_after_events, response)),
            )
            return None
        self._end()
        if not isinstance(outcome, Answer):
            raise outcome
        if self._expired:
            # Its hook was cancelled; whatever it made of that, the time is over.
            leg = self._model.legs[self._number]
            raise self._call.too_late(outcome.head.get("hook") or " or ".join(leg.hooks))
        raise self._error(outcome)

    def _leave(self) -> None:
        self._call.forget()
        # A call that has been cancelled is let be: a hook may be tidying up.
        if not self._expired:
            self._model.pool.drop(self._call, self._model.legs[self._number])
        self._end()

    def _end(self) -> None:
        self._model.pool.request_ends()
        if self._timer is None:
            self._model.deadlines.remove(self)
        else:
            self._timer.cancel()
            self._timer = None

    def _error(self, answer: Answer) -> LiftwingError:
        head, name = answer.head, self._model.name
        if head["error"] is not None:
            told = LiftwingError(head["error"], status=answer.status)
            told.retry_after = head.get("retry_after")
            return told
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


def _ignore() -> None:
    pass


def _after_events(response: Reply, problem: LiftwingError | None) -> Reply:
    """The response, once the events that follow from it have been taken; a problem does not cost the client what
    has been computed.
    """
    if problem is None:
        return response
    error = orjson.dumps({"error": sendable(problem.message)})
    if response.content_type == JSON:
        error = error[:-1] + b',"response":' + response.body + b"}"
    return Reply(problem.http_status, error)


def _timeout(model: ServedModel, exchange: Conversation) -> float:
    """Seconds that a request may take: the model's, or less where the client asks for less."""
    longest = model.deadlines.seconds
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
