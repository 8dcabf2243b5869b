"""Every URL of the host, on one page."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from tornado.httputil import HTTPServerRequest, RequestStartLine
from tornado.routing import PathMatches

from ..errors import ConfigurationError, LiftwingError, ModelNotFound
from ..extension import Reply, Route
from .exchange import Exchange, Handler, Headers, Stream
from .extension_view import handler_of
from .health import Health
from .host import Host
from .inference import Inference
from .metadata import Metadata
from .reply import error_response

__all__ = ["Application"]

_LONGEST_KEPT = 256
"""Letters of a path whose route is remembered; longer ones could fill the memory."""


class Application:
    """The routes, and for each the handler of every method that it takes.

    Args:
        host: What they are about.
        extended_by: The routes of extensions.

    Raises:
        ConfigurationError: The pattern of a route is none.

    Attributes:
        max_body_size: The most bytes that a request's body may have.
        bodies: Where large bodies are read to.
    """

    def __init__(self, host: Host, extended_by: Iterable[Route] = ()) -> None:
        health, metadata, inference = Health(host), Metadata(host), Inference(host)
        self.max_body_size = host.settings.max_body_size
        self.bodies = host.bodies
        self._traffic = host.traffic
        routes: dict[str, dict[str, Handler]] = {
            r"/": {"GET": health.alive},
            r"/v2/health/live": {"GET": health.live},
            r"/v2/health/ready": {"GET": health.ready},
            r"/v1/models": {"GET": metadata.list},
            r"/v1/models/": {"GET": metadata.redirect},
            # KServe takes `NAME:predict` for the name of a model when it is asked with GET.
            r"/v1/models/(?P<name>[^/]+)(?::|%3[Aa])(?P<verb>predict)": {
                "POST": inference.predict,
                "GET": _no_such_model,
            },
            r"/v1/models/(?P<name>[^/]+)(?::|%3[Aa])(?P<verb>explain)": {
                "POST": inference.explain,
                "GET": _no_such_model,
            },
            r"/v1/models/(?P<name>[^/]+)": {"GET": metadata.model},
        }
        self._before_body: dict[Handler, Handler] = {inference.predict: inference.before_body}
        for route in extended_by:
            handler = handler_of(route)
            self._before_body[handler] = _wait_for_body
            # The host's own come first: a URL of KServe's protocol means the same everywhere.
            routes.setdefault(route.pattern, {}).setdefault(route.method, handler)
        self._routes = [(_matcher(pattern), handlers) for pattern, handlers in routes.items()]
        # A host is asked for a handful of paths, again and again.
        self._route = functools.lru_cache(maxsize=1024)(self._match)

    def exchange(self, method: str, path: str, query: str, headers: Headers, stream: Stream) -> Exchange:
        """Begin the exchange of a request.

        Args:
            method: Its method, in capitals.
            path: Its path, still encoded, without the query.
            query: The query, still encoded.
            headers: Its headers, by lower-case name.
            stream: What it is answered through.
        """
        handlers, arguments = self._route(path) if len(path) <= _LONGEST_KEPT else self._match(path)
        handler = handlers.get(method) or handlers.get("any") or _method_not_allowed(handlers)
        return Exchange(
            path, query, headers, stream, handler, self._before_body, arguments, self._traffic, self.max_body_size
        )  # fmt: skip

    def _match(self, path: str) -> tuple[dict[str, Handler], Mapping[str, str]]:
        request = HTTPServerRequest(start_line=RequestStartLine("GET", path, "HTTP/1.0"))
        for matcher, handlers in self._routes:
            matched = matcher.match(request)
            if matched is not None:
                named: Mapping[str, bytes | None] = matched.get("path_kwargs", {})
                return handlers, {
                    name: value.decode(errors="replace") for name, value in named.items() if value is not None
                }
        return {"any": _not_found}, {}


def _matcher(pattern: str) -> PathMatches:
    try:
        return PathMatches(_whole(pattern))
    except (re.error, AssertionError) as error:
        raise ConfigurationError(
            f"An extension has a route whose pattern {pattern!r} cannot be matched ({error}). Mend it, or uninstall it."
        ) from None


def _whole(pattern: str) -> re.Pattern[str]:
    """A pattern that matches no part of a path. (Tornado ends one with a $, which stands for its last alternative alone.)"""
    # What is set for all of it, such as (?i), may stand nowhere but in front.
    return re.compile(
        re.sub(r"\A(\(\?[aiLmsux]+\))?(.*)\Z", r"\1(?:\2)\\Z", pattern, count=1, flags=re.DOTALL)
    )


def _wait_for_body(exchange: Exchange) -> None:
    pass


def _no_such_model(exchange: Exchange) -> Reply:
    raise ModelNotFound("{name}:{verb}".format(**exchange.path_arguments))


def _not_found(exchange: Exchange) -> Reply:  # noqa: ARG001 - every handler gets it
    return error_response(LiftwingError("Not Found", status=404))


def _method_not_allowed(handlers: dict[str, Handler]) -> Handler:
    allowed = ", ".join(method for method, handler in handlers.items() if handler is not _no_such_model)

    def answer(exchange: Exchange) -> Reply:  # noqa: ARG001
        error = error_response(LiftwingError("Method Not Allowed", status=405))
        return Reply(error.status, error.body, headers={"Allow": allowed})

    return answer
