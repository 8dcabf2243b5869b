"""The contract between the host and its extensions: routes, commands and metrics of their own, and what becomes of events.

An extension is a module or an object in the entry point group ``liftwing_host``. Its hooks are functions named
``liftwing_…`` and marked with `liftwing_host.hookimpl`. Unlike a model plugin it is imported by, and runs in, the
host process: on the event loop that serves all requests. It must never block: what computes belongs into a model.

A hook names only the arguments that it wants.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .hookspecs import hookspec

__all__ = ["Event", "HostView", "Reply", "Route", "RouteRequest"]


@dataclass(slots=True)
class Reply:
    """An answer to a client.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: Its type; None sends no such header.
        headers: Further headers.
    """

    status: int
    body: bytes | bytearray = b""
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RouteRequest:
    """A request to an extension's own route.

    Attributes:
        method: Its method, in capitals.
        path: Its path, still percent-encoded, without the query.
        arguments: What the named groups of the route's pattern matched, decoded; an optional one that took no part
            in the match is missing.
        query: The values of each parameter of the query, decoded; one without a value is the empty text.
        headers: Its headers, by lower-case name.
        body: Its body.
        id: The client's `x-request-id`, or one that the host made.
    """

    method: str
    path: str
    arguments: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    id: str


RouteHandler = Callable[[RouteRequest], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """A URL that an extension answers.

    Attributes:
        method: ``GET``, ``POST`` and so on.
        pattern: A regular expression that the whole path must match, such as ``/v3/scores/(?P<context>[^/]+)/?``.
        handler: Answers; a `liftwing_host.LiftwingError` that it raises becomes its message and status, anything
            else a 500 without the reason, which is in the log.
    """

    method: str
    pattern: str
    handler: RouteHandler


@dataclass(frozen=True)
class Event:
    """What follows from a prediction, as the model's `event` hook told it.

    Attributes:
        body: The event: a JSON object.
        model: The model that told it.
        request_id: The id of the request that it followed from.
    """

    body: dict[str, Any]
    model: str
    request_id: str


class HostView(Protocol):
    """What an extension may see of the host, and ask of it."""

    @property
    def models(self) -> Sequence[str]:
        """The names of the models that are served, loaded or not, in the operator's order."""

    def is_ready(self, model: str) -> bool:
        """Whether a model would answer now; False for one that is not served here."""

    async def predict(self, model: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """What ``POST /v1/models/MODEL:predict`` would answer to this body: errors are replies, too.

        Args:
            model: The model's name.
            body: The body, such as JSON.
            headers: What the request's hooks see as its headers, by lower-case name. `x-request-id` names it in the
                log, `x-request-timeout` limits its time.
        """


@hookspec
def liftwing_start(host: HostView) -> Awaitable[None] | None:
    """The host is about to serve. What is raised here ends it.

    Raises:
        liftwing_host.ConfigurationError: The operator must do something; the message says what.
    """


@hookspec
def liftwing_stop(host: HostView) -> Awaitable[None] | None:
    """The host has answered its last request, and ends; or it cannot start, and this extension has started."""


@hookspec
def liftwing_routes(host: HostView) -> Sequence[Route]:  # type: ignore[empty-body]
    """URLs that the extension answers. The host's own come first."""


@hookspec
def liftwing_accept(events: Sequence[Event]) -> Awaitable[None]:  # type: ignore[empty-body]
    """Take the events that followed from one prediction. The client gets its response once they are taken.

    Raises:
        liftwing_host.LiftwingError: The client shall know that the event could not be sent; it gets the message and
            the status, and the response as `response` beside it. Anything else is logged, and the client gets its
            response as if nothing had happened.
    """


@hookspec
def liftwing_metrics() -> Awaitable[Sequence[Any]]:  # type: ignore[empty-body]
    """Metric families of prometheus_client, which ``GET /metrics`` shows beside the host's own.

    Asked at each scrape: import prometheus_client in the hook, not with the module.
    """


@hookspec
def liftwing_commands() -> Sequence[Any]:  # type: ignore[empty-body]
    """Commands (`click.Command`) for the command line of the host."""
