"""For the tests of plugins: the fixture `liftwing` serves a model with a real host, real workers and real HTTP.

::

    @pytest.fixture
    def readability(liftwing):
        return liftwing("readability", settings={"weight": 0.5})


    def test_scores_the_letters(readability):
        assert readability.predict({"text": "ab cd"}) == {"score": 2.0}
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from .configuration_file import as_toml

__all__ = ["LiveHost", "Reply", "liftwing", "wait_until"]

_PORT = re.compile(r"listening on .*port (\d+)")
_STARTED_WITHIN = 60.0


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
    """Wait for a condition, and return its value once that is true.

    Raises:
        TimeoutError: It did not become true within `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.005)


@dataclass(frozen=True)
class Reply:
    """What the host answered.

    Attributes:
        status: The HTTP status.
        headers: The headers, by lower-case name.
        body: The body as it came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class LiveHost:
    """A host that runs as its own process, on a free port of 127.0.0.1.

    Args:
        models: The names of the models to serve.
        settings: The keys of ``[models.NAME]`` of the first model; a Path is written as its text.
        config: The rest of the TOML file, as nested dicts.
        arguments: Further arguments of the command line.
        environ: Further variables of its environment.
        wait: Whether to wait until all models are ready. With False, they may be seen to load, or to fail.

    Raises:
        AssertionError: The host ended, or a model did not load; the message holds the reason and the log.
        TypeError: A name, a value or an argument is of a type that it cannot be; the message names it.
    """

    def __init__(
        self,
        models: Sequence[str],
        *,
        settings: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        _check_texts(models, arguments, environ or {})
        self.models = list(models)
        toml = as_toml(_with_settings(config or {}, self.models, settings))
        self._folder = tempfile.TemporaryDirectory(prefix="liftwing-")
        self._log_path = Path(self._folder.name, "log")
        self._last_log = ""
        config_path = Path(self._folder.name, "liftwing.toml")
        config_path.write_text(toml, encoding="utf-8")
        command = [*self.command(), "serve", "--port", "0"]
        command += ["--address", "127.0.0.1", "--config", str(config_path), *arguments]
        for name in self.models:
            command += ["--model", name]
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.port = self._wait_for_port()
            if wait:
                self._wait_for_each(self._has_started, _STARTED_WITHIN)
        except BaseException:
            self.kill()
            raise

    def command(self) -> list[str]:
        """The command `liftwing-host`: that of the interpreter which runs the tests."""
        return [sys.executable, "-m", "liftwing_host.server"]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has logged so far, its end included."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else self._last_log

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Reply:
        """Send one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        """GET a path."""
        return self.request("GET", path)

    def post(self, payload: Any, model: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask a model (the first one where none is named) with a JSON payload, or with bytes as they are."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.request(
            "POST", f"/v1/models/{quote(model or self.models[0], safe='')}:predict", body, headers
        )

    def predict(self, payload: Any, model: str | None = None) -> Any:
        """The model's answer to a payload, decoded.

        Raises:
            AssertionError: It was an error; the message holds status, body and log.
        """
        reply = self.post(payload, model)
        if reply.status != 200:
            raise AssertionError(f"{reply.status} {reply.body.decode(errors='replace')}\n{self.log}")
        return reply.json()

    def ready(self, model: str) -> bool:
        """Whether a model is ready."""
        return self.get(f"/v1/models/{quote(model, safe='')}").status == 200

    def wait_until_ready(self, timeout: float = _STARTED_WITHIN) -> None:
        """Wait until all models are ready.

        Raises:
            AssertionError: The host ended, or they did not become ready; the message holds its log.
        """
        self._wait_for_each(self.ready, timeout)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
        """`wait_until`, with the log in the message where the host ends or time does."""

        def still_running() -> Any:
            if self.process.poll() is not None:
                raise AssertionError(f"the host ended with status {self.process.returncode}:\n{self.log}")
            return condition()

        try:
            return wait_until(still_running, what, timeout)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the log:\n{self.log}") from None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20.0) -> int:
        """Have it end in good order; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the host did not end within {timeout:g} s:\n{self.log}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, and remove its files."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._last_log = self.log
        self._folder.cleanup()

    def _has_started(self, name: str) -> bool:
        """Whether a model is ready; what the start-up report says has failed will not get so unless somebody mends it."""
        if self.ready(name):
            return True
        failed = re.search(rf" {re.escape(name)} \(.*\) is NOT READY: (.*)\n", self.log)
        if failed:
            raise AssertionError(f"{name} is NOT READY: {failed.group(1)}; the log:\n{self.log}")
        return False

    def _wait_for_each(self, condition: Callable[[str], bool], timeout: float) -> None:
        for name in self.models:
            self.wait_for(functools.partial(condition, name), f"{name} ready", timeout)

    def _wait_for_port(self) -> int:
        found = self.wait_for(lambda: _PORT.search(self.log), "the host listening")
        return int(found.group(1))


@pytest.fixture
def liftwing() -> Iterator[Callable[..., LiveHost]]:
    """Serves models: ``liftwing("NAME", settings={…})``; takes what `LiveHost` takes. All end with the test."""
    # One that does not end as it should fails the test, and keeps no other from being ended.
    with contextlib.ExitStack() as hosts:

        def serve(*models: str, **options: Any) -> LiveHost:
            host = LiveHost(models, **options)
            hosts.callback(host.stop)
            return host

        yield serve


def _check_texts(models: Sequence[Any], arguments: Sequence[Any], environ: Mapping[str, Any]) -> None:
    for name in models:
        if not isinstance(name, str):
            raise TypeError(f'A model is named by a str, and not by {name!r}: liftwing("NAME", "OTHER").')
    for argument in arguments:
        if not isinstance(argument, str | os.PathLike):
            raise TypeError(f"arguments has {argument!r}, which must be a str: {str(argument)!r}.")
    for name, value in environ.items():
        if not isinstance(value, str | os.PathLike):
            told = "leave it out" if value is None else f"write {str(value)!r}"
            raise TypeError(f"environ[{name!r}] is {value!r}, and must be a str: {told}.")


def _with_settings(
    config: Mapping[str, Any], models: Sequence[str], settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    tables = {name: dict(table) for name, table in config.get("models", {}).items()}
    if settings:
        tables.setdefault(models[0], {}).update(settings)
    return {**config, "models": tables}
