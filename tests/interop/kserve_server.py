"""Begins KServe's own server, in an environment of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from benchmarks.environment import CACHE, make_environment, requirements_of
from liftwing_host.pytest_plugin import Reply, wait_until

__all__ = ["MODEL", "KServe", "kserve_python"]

FOLDER = Path(__file__).parent
MODEL = "outlink-topic-model"
_PORT = re.compile(r"Uvicorn running on http://\S+:(\d+)")


@pytest.fixture(scope="session")
def kserve_python() -> Path:
    """The interpreter of an environment with KServe's SDK, made from PyPI once and kept."""
    try:
        return make_environment(
            CACHE.parent / "kserve", requirements_of("kserve"), FOLDER / "requirements.txt"
        )
    except subprocess.CalledProcessError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"KServe's SDK cannot be installed: {error}")


class KServe:
    """`topics.py`, as a process.

    Args:
        python: The interpreter of its environment.
        folder: Where its log goes.
        arguments: Those of the command line.
    """

    def __init__(self, python: Path, folder: Path, *arguments: str) -> None:
        self._log = folder / "kserve.log"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [str(python), str(FOLDER / "topics.py"), "--http_port", "0", "--model_name", MODEL]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ
            )
        try:
            self.port = int(wait_until(self._heard, "KServe's port", 120).group(1))
        except BaseException:
            self.kill()
            raise

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _heard(self) -> re.Match[str] | None:
        if self.process.poll() is not None:
            raise AssertionError(f"KServe ended with status {self.process.returncode}:\n{self.log}")
        return _PORT.search(self.log)

    def asked(self) -> list[Any]:
        """What its `predict` got, and with which headers."""
        return [json.loads(line) for line in re.findall(r"^ASKED (.*)$", self.log, re.MULTILINE)]

    def post(self, payload: Any, headers: Mapping[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps(payload)
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request("POST", f"/v1/models/{MODEL}:predict", body, sent)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> KServe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.log, file=sys.stderr)
        self.kill()
