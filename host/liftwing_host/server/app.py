"""Every URL of the host, on one page."""

from __future__ import annotations

from typing import Any

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.routing import PathMatches, Rule, RuleRouter

from ..errors import LiftwingError, ModelNotFound
from . import health
from .exchange import Exchange, Handler, Response, error_response
from .host import Host
from .inference import Inference
from .metadata import Metadata

__all__ = ["Application", "make_server"]

_WHOLE_BODY = 1 << 50
"""Tornado's own limit is out of the way; `Exchange` answers with 413 and the one envelope."""
_CHUNK = 1 << 20


class Application(RuleRouter):
    """The routes, and for each the handler of every method that it takes."""

    def __init__(self, host: Host) -> None:
        metadata, inference = Metadata(host), Inference(host)
        self._max_body_size = host.settings.max_body_size
        self._traffic = host.traffic
        routes: list[tuple[str, dict[str, Handler]]] = [
            (r"/", {"GET": health.live}),
            (r"/v1/models", {"GET": metadata.list}),
            (r"/v1/models/", {"GET": metadata.redirect}),
            # KServe takes `NAME:predict` for the name of a model when it is asked with GET.
            (
                r"/v1/models/(?P<name>[^/]+)(?::|%3[Aa])(?P<verb>predict)",
                {"POST": inference.predict, "GET": _no_such_model},
            ),
            (
                r"/v1/models/(?P<name>[^/]+)(?::|%3[Aa])(?P<verb>explain)",
                {"POST": inference.explain, "GET": _no_such_model},
            ),
            (r"/v1/models/(?P<name>[^/]+)", {"GET": metadata.model}),
        ]
        super().__init__([Rule(PathMatches(pattern), handlers) for pattern, handlers in routes])

    def find_handler(
        self, request: httputil.HTTPServerRequest, **kwargs: Any
    ) -> httputil.HTTPMessageDelegate:
        """The exchange for a request; what no route takes gets one that answers 404."""
        found = super().find_handler(request, **kwargs)
        return found if found is not None else self._exchange(request, _not_found, {})

    def get_target_delegate(
        self, target: Any, request: httputil.HTTPServerRequest, **target_params: Any
    ) -> httputil.HTTPMessageDelegate:
        """The exchange for a route; a method that it does not take is answered with 405."""
        matched: dict[str, bytes] = target_params.get("path_kwargs", {})
        arguments = {name: value.decode(errors="replace") for name, value in matched.items()}
        handler = target.get(request.method) or _method_not_allowed(target)
        return self._exchange(request, handler, arguments)

    def _exchange(
        self, request: httputil.HTTPServerRequest, handler: Handler, arguments: dict[str, str]
    ) -> Exchange:
        return Exchange(request, handler, arguments, self._traffic, self._max_body_size)


def make_server(host: Host) -> HTTPServer:
    """Tornado's HTTP server for a host.

    Idle connections are kept for an hour, Tornado's default: a proxy that keeps them for a minute must never
    find one closed under its hands (kserve#5446).
    """
    return HTTPServer(Application(host), max_body_size=_WHOLE_BODY, chunk_size=_CHUNK)


def _no_such_model(exchange: Exchange) -> Response:
    raise ModelNotFound("{name}:{verb}".format(**exchange.path_arguments))


def _not_found(exchange: Exchange) -> Response:  # noqa: ARG001 - every handler gets it
    return error_response(LiftwingError("Not Found", status=404))


def _method_not_allowed(target: dict[str, Handler]) -> Handler:
    allowed = ", ".join(method for method, handler in target.items() if handler is not _no_such_model)

    def answer(exchange: Exchange) -> Response:  # noqa: ARG001
        error = error_response(LiftwingError("Method Not Allowed", status=405))
        return Response(error.status, error.body, headers={"Allow": allowed})

    return answer
