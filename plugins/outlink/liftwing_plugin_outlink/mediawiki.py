"""MediaWiki's API: one session for a process, one `Host` header for each call, and a few repetitions."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import aiohttp

from liftwing_host import InferenceError, Request

from .settings import OutlinkSettings
from .wikis import is_known

__all__ = ["ApiError", "MediaWiki", "OutlinksUnavailable", "UnknownWiki"]

_logger = logging.getLogger("liftwing_plugin_outlink")

_DISTRIBUTION = "liftwing-plugin-outlink"
_CONTACT = "https://pypi.org/project/liftwing-plugin-outlink/"

_OK = 200
_NOT_FOUND = 404
_TRANSIENT_STATUSES = frozenset({429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"maxlag", "ratelimited", "readonly"})
_TRANSIENT_PREFIX = "internal_api_error"
_PERMANENT_CODES = frozenset(
    {"invalidtitle", "missingtitle", "nosuchpageid", "nosuchrevid", "permissiondenied"}
)


class OutlinksUnavailable(InferenceError):
    """MediaWiki did not answer, or not with what was asked. The log has the cause."""

    def __init__(self) -> None:
        super().__init__(
            "An unexpected error has occurred while trying to get outlinks from MW API. "
            "Please contact the ML team for more info."
        )


class ApiError(Exception):
    """The API says that what was asked for is not there.

    Attributes:
        code: The API's own code, such as `nosuchrevid`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UnknownWiki(Exception):
    """There seems to be no Wikipedia of that language."""


class _Failure(Exception):
    """One call failed.

    Attributes:
        transient: The same call may succeed later.
        no_such_wiki: It failed as a call for a language fails that has no Wikipedia.
        retry_after: The seconds that the server asked to wait.
    """

    def __init__(
        self, cause: str, *, transient: bool = False, no_such_wiki: bool = False, retry_after: float = 0.0
    ) -> None:
        super().__init__(cause)
        self.transient = transient
        self.no_such_wiki = no_such_wiki
        self.retry_after = retry_after


class MediaWiki:
    """The Wikipedias, through their API.

    Args:
        settings: Where they are, and how long and how often they are asked.
    """

    def __init__(self, settings: OutlinkSettings) -> None:
        self._settings = settings
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

    async def ask(self, lang: str, parameters: Mapping[str, str], request: Request) -> dict[str, Any]:
        """Ask the API of one Wikipedia.

        A call that fails for a reason that may pass is repeated, with twice the pause before each further
        repetition, and never beyond the request's deadline. A `Retry-After` lengthens the pause, up to the
        time that one call may take.

        Args:
            lang: The language in the Wikipedia's host name.
            parameters: The API's parameters; those of the format are added.
            request: Whose deadline and id count.

        Raises:
            ApiError: What was asked for is not there.
            UnknownWiki: There is no such Wikipedia.
            OutlinksUnavailable: No answer, after the last repetition.
        """
        attempts = self._settings.mw_api_max_retries + 1
        for attempt in itertools.count(1):
            try:
                return await self._call(lang, parameters, request)
            except _Failure as failure:
                pause = self._pause(failure, attempt)
                last = not failure.transient or attempt == attempts or pause >= request.remaining()
                _logger.log(
                    logging.ERROR if last else logging.WARNING,
                    "request %s: attempt %d of %d failed: %s %s for %s.wikipedia.org: %s",
                    request.id, attempt, attempts, self._url(lang), dict(parameters), lang, failure,
                )  # fmt: skip
                if last and failure.no_such_wiki and not is_known(lang):
                    raise UnknownWiki from failure
                if last:
                    raise OutlinksUnavailable from failure
            await asyncio.sleep(pause)
        raise AssertionError  # count() has no end

    async def _call(self, lang: str, parameters: Mapping[str, str], request: Request) -> dict[str, Any]:
        if self._session is None:
            raise RuntimeError("MediaWiki was asked before open()")
        seconds = min(self._settings.aiohttp_client_timeout, request.remaining())
        if seconds <= 0:
            raise _Failure("the request's time is over")
        try:
            async with self._session.get(
                self._url(lang),
                params={**parameters, "format": "json", "formatversion": "2"},
                headers={"Host": f"{lang}.wikipedia.org", "X-Request-Id": request.id},
                timeout=aiohttp.ClientTimeout(total=seconds),
                # A redirect would carry the Host header to another server.
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except asyncio.TimeoutError as error:
            raise _Failure(f"no answer within {seconds:.3g} s", transient=True) from error
        except aiohttp.ClientConnectorDNSError as error:
            named_by_language = self._settings.wiki_url is None
            raise _Failure(repr(error), transient=True, no_such_wiki=named_by_language) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise _Failure(repr(error), transient=True) from error
        except aiohttp.ClientError as error:
            raise _Failure(repr(error)) from error
        return _judge(response.status, response.headers, body)

    def _url(self, lang: str) -> str:
        origin = self._settings.wiki_url or f"https://{lang}.wikipedia.org"
        return f"{origin.rstrip('/')}/w/api.php"

    def _pause(self, failure: _Failure, attempt: int) -> float:
        # Requests that failed together must not all come back together.
        jitter = random.uniform(0.75, 1.25)  # noqa: S311
        backoff: float = self._settings.mw_api_retry_base_delay * 2 ** (attempt - 1) * jitter
        return max(backoff, min(failure.retry_after, self._settings.aiohttp_client_timeout))


def _judge(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    answer = _decode(body)
    code = _error_code(answer)
    if code in _PERMANENT_CODES:
        raise ApiError(code)
    if code or status != _OK or answer is None:
        cause = f"API error {code!r}" if code else "not an answer of the API"
        raise _Failure(
            f"HTTP status {status}, {cause}",
            transient=status in _TRANSIENT_STATUSES
            or code in _TRANSIENT_CODES
            or code.startswith(_TRANSIENT_PREFIX),
            no_such_wiki=status == _NOT_FOUND or 300 <= status < 400,
            retry_after=_seconds(headers.get("Retry-After", "")),
        )
    return answer


def _decode(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _error_code(answer: dict[str, Any] | None) -> str:
    error = (answer or {}).get("error")
    return str(error.get("code", "unknown")) if isinstance(error, dict) else ""


def _seconds(retry_after: str) -> float:
    """The header's seconds. Its other form, a date, is not used by Wikimedia, and counts as not given."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _user_agent() -> str:
    """As Wikimedia's policy asks: the tool, how to reach its makers, the library."""
    try:
        version = metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        version = "unreleased"
    return f"{_DISTRIBUTION}/{version} ({_CONTACT}) aiohttp/{aiohttp.__version__}"
