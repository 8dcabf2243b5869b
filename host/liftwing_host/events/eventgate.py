"""EventGate over HTTP: a post, and what its answer says of each event. Host process."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import importlib_metadata as metadata
import orjson
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.simple_httpclient import HTTPTimeoutError

from .kept import Kept
from .settings import EventSettings

__all__ = ["AT_ONCE", "TAKEN", "Answer", "EventGate", "TimedOut", "Unreachable", "Verdict", "verdicts"]

AT_ONCE = 16
"""The most posts that are under way at once."""
TAKEN = (200, 201, 202, 204)
"""The statuses that say that all is well: 201, and 202 where it is asked to be hasty; older versions have 204."""
_INVALID = (400, 413)
_LONGEST_REASON = 500
_LONGEST_ANSWER = 16 * 1024 * 1024


class Unreachable(Exception):
    """There was no answer: nobody knows what became of the events."""


class TimedOut(Unreachable):
    """The answer did not come in time."""


@dataclass(frozen=True)
class Answer:
    """What EventGate said.

    Attributes:
        status: The HTTP status.
        body: The body.
    """

    status: int
    body: bytes

    @property
    def problem(self) -> str:
        """It in a few words."""
        text = " ".join(self.body.decode(errors="replace").split())
        return f"EventGate answered {self.status} {text}".strip()[:_LONGEST_REASON]


@dataclass(frozen=True)
class Verdict:
    """What became of one event.

    Attributes:
        kind: ``taken``; ``rejected``: it is invalid and will always be; ``failed``: EventGate could not tell or not
            pass it on; ``unknown``: the answer was not about this event.
        reason: Why, in a few words.
    """

    kind: Literal["taken", "rejected", "failed", "unknown"]
    reason: str = ""


class EventGate:
    """Where events go.

    Raises:
        ConfigurationError: The certificates cannot be read.
    """

    def __init__(self, settings: EventSettings) -> None:
        # A connection for each post, as Tornado's client has it: none can be left open, or be half dead.
        self._client = AsyncHTTPClient(
            force_instance=True, max_clients=AT_ONCE, max_body_size=_LONGEST_ANSWER
        )
        self._request = functools.partial(
            HTTPRequest,
            settings.url,
            "POST",
            headers={
                "Content-Type": "application/json",
                "User-Agent": f"liftwing-host/{metadata.version('liftwing-host')}",
            },
            connect_timeout=settings.timeout,
            request_timeout=settings.timeout,
            # What is redirected becomes a GET, and would look as if it had been taken.
            follow_redirects=False,
            ssl_options=settings.tls(),
        )
        self._timeout = settings.timeout

    async def post(self, events: Sequence[Kept]) -> Answer:
        """Send events: one as it is, more as an array.

        Raises:
            Unreachable: No answer came.
        """
        body = events[0].body if len(events) == 1 else b"[" + b",".join(event.body for event in events) + b"]"
        try:
            response = await self._client.fetch(self._request(body=body), raise_error=False)
        except HTTPTimeoutError:
            raise TimedOut(f"EventGate did not answer within {self._timeout:g} s") from None
        except Exception as error:
            raise Unreachable(f"EventGate cannot be reached: {str(error) or type(error).__name__}") from error
        return Answer(response.code, response.body)

    def close(self) -> None:
        """No more posts."""
        self._client.close()


def verdicts(answer: Answer, events: Sequence[Kept]) -> list[Verdict]:
    """What an answer says of each of the events that were sent together.

    EventGate lists those that are invalid, and those that it failed at. Where there are both these and others, its
    status is 207; where all are invalid, 400; where it took none and failed at one at least, 500.
    """
    if answer.status in TAKEN:
        return [Verdict("taken")] * len(events)
    listed = _listed(answer.body)
    if answer.status == 207:
        others = Verdict("taken")
    elif len(events) == 1 and answer.status in _INVALID:
        others = Verdict("rejected", answer.problem)
    else:
        others = Verdict("unknown", answer.problem)
    if len(events) == 1 and listed:
        return list(listed.values())[:1]
    return [listed.get(event.id, others) for event in events]


def _listed(body: bytes) -> Mapping[str, Verdict]:
    """What the answer says by name. Those that it failed at win: they are not lost by being tried again."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(told, dict):
        return {}
    found = {key: Verdict("rejected", reason) for key, reason in _items(told.get("invalid"))}
    found.update({key: Verdict("failed", reason) for key, reason in _items(told.get("error"))})
    return found


def _items(items: Any) -> Iterator[tuple[str, str]]:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            event = item.get("event")
            meta = event.get("meta") if isinstance(event, dict) else None
            key = meta.get("id") if isinstance(meta, dict) else None
            yield str(key), _reason(item.get("context"))


def _reason(context: Any) -> str:
    """EventGate's reason as a line: what the validator found, else the message, else all of it."""
    if isinstance(context, dict):
        errors = context.get("errors")
        if isinstance(errors, list) and errors and all(isinstance(error, dict) for error in errors):
            lines = [f"{_place(error)} {error.get('message', '')}".strip() for error in errors]
            return "; ".join(lines)[:_LONGEST_REASON]
        if isinstance(context.get("message"), str):
            return str(context["message"])[:_LONGEST_REASON]
    return orjson.dumps(context).decode()[:_LONGEST_REASON]


def _place(error: Mapping[str, Any]) -> str:
    return str(error.get("dataPath") or error.get("instancePath") or "")
