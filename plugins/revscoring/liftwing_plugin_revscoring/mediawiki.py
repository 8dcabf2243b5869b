"""MediaWiki's API: one session for a process, and the model's own `Host` header and timeout for each call."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import aiohttp

from liftwing_host import InferenceError, Request

from .settings import RevscoringSettings

__all__ = ["FeaturesUnavailable", "MediaWiki"]

_logger = logging.getLogger("liftwing_plugin_revscoring")

_DISTRIBUTION = "liftwing-plugin-revscoring"
_CONTACT = "https://pypi.org/project/liftwing-plugin-revscoring/"
_OK = 200


class FeaturesUnavailable(InferenceError):
    """MediaWiki did not answer, or not with what was asked. The log has the cause; the text is Lift Wing's."""

    def __init__(self) -> None:
        super().__init__(
            "An error happened while fetching feature values from the MediaWiki API, "
            "please contact the ML-Team if the issue persists."
        )


class _Failure(Exception):
    """One call failed; its text is for the log."""


class MediaWiki:
    """One wiki, through its API.

    Args:
        settings: Where it is, and how long a call may take.
    """

    def __init__(self, settings: RevscoringSettings) -> None:
        self._settings = settings
        self._url = f"{(settings.wiki_url or '').rstrip('/')}/w/api.php"
        self._headers = {"Host": settings.wiki_host} if settings.wiki_host else {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session of this process, on the loop that will use it."""
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": self._settings.custom_ua or _user_agent()},
            # What a wiki sets for one request must not reach the next.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the session, if it is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            # aiohttp's connections are closed one turn of the loop later, those of calls that were given up, too.
            await asyncio.sleep(0.01)

    async def ask(
        self, parameters: Mapping[str, str], request: Request, *, may_fail: bool = False
    ) -> dict[str, Any]:
        """Ask the API, once.

        Args:
            parameters: The API's parameters; the format is added.
            request: Whose deadline and id count.
            may_fail: Whether an error of the API is an answer, too.

        Raises:
            FeaturesUnavailable: No answer within the timeout of the settings, or within what is left of the
                client's time, or none of the API.
        """
        try:
            answer = await self._call(parameters, request)
            if "error" in answer and not may_fail:
                raise _Failure(f"API error {answer['error']}")
        except _Failure as failure:
            _logger.error("request %s: %s %s failed: %s", request.id, self._url, dict(parameters), failure)
            raise FeaturesUnavailable from failure
        return answer

    async def _call(self, parameters: Mapping[str, str], request: Request) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("MediaWiki was asked before open()")
        seconds = min(self._settings.aiohttp_client_timeout, request.remaining())
        if seconds <= 0:
            raise _Failure("the request's time is over")
        try:
            async with self._session.get(
                self._url,
                params={**parameters, "format": "json"},
                headers={**self._headers, "X-Request-Id": request.id},
                timeout=aiohttp.ClientTimeout(total=seconds),
                # A redirect would carry the Host header to another server.
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except asyncio.TimeoutError as error:
            raise _Failure(f"no answer within {seconds:.3g} s") from error
        except aiohttp.ClientError as error:
            raise _Failure(repr(error)) from error
        if response.status != _OK:
            raise _Failure(f"HTTP status {response.status} {response.headers.get('Location', '')}".rstrip())
        return _decoded(body)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise _Failure(f"not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise _Failure("not an answer of the API")
    return answer


def _user_agent() -> str:
    """As Wikimedia's policy asks: the tool, how to reach its makers, the library."""
    try:
        version = metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        version = "unreleased"
    return f"{_DISTRIBUTION}/{version} ({_CONTACT}) aiohttp/{aiohttp.__version__}"
