"""Podman, and a container that runs as an operator would run it: with nothing that it does not need."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from liftwing_host.pytest_plugin import Reply, wait_until

__all__ = ["ENVIRON", "PORT", "Container", "podman", "run"]

PORT = 8080
ENVIRON = {**os.environ, "CONTAINERS_CONF": str(Path(__file__).with_name("containers.conf"))}
# As strict as Docker and Kubernetes: podman alone would give a read-only container folders to write to.
STRICT = (
    *("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"),
    *("--memory=512m", "--stop-timeout=40"),
)


def run(*command: str | Path) -> str:
    """What a command printed.

    Raises:
        AssertionError: It failed; with what it said.
    """
    done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, (
        f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    )
    return done.stdout


def podman(*arguments: str) -> str:
    """What podman printed."""
    return run("podman", *arguments)


def _status(*arguments: str) -> int:
    done = subprocess.run(["podman", *arguments], env=ENVIRON, capture_output=True, check=False)
    return done.returncode


class Container:
    """An image that runs, on an address of its own.

    Args:
        image: Its name.
        arguments: What follows the image's name.
        environ: Variables.
        options: Options of `podman run`, in place of those that take away what can be taken away.
    """

    def __init__(
        self,
        image: str,
        arguments: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        options: Sequence[str] = STRICT,
    ) -> None:
        variables = [f"--env={name}={value}" for name, value in (environ or {}).items()]
        self.id = podman("run", "--detach", *options, *variables, image, *arguments).strip()

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        podman("rm", "--force", "--time", "0", self.id)

    @property
    def log(self) -> str:
        """What it has written so far."""
        command = ["podman", "logs", self.id]
        done = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    def inspect(self, what: str) -> str:
        """One of the things that podman knows of it, as a Go template names it."""
        return podman("inspect", "--format", f"{{{{{what}}}}}", self.id).strip()

    def run(self, *command: str) -> str:
        """What a command printed that ran inside, as the same user."""
        return podman("exec", self.id, *command)

    def status(self, *command: str) -> int:
        """The exit status of a command that ran inside."""
        return _status("exec", self.id, *command)

    def healthcheck(self) -> int:
        """The exit status of the image's own check."""
        return _status("healthcheck", "run", self.id)

    def find(self, *tests: str) -> list[str]:
        """The files and folders of the root file system that pass `find`'s tests."""
        search = 'find / -xdev "$@" 2>/dev/null || true'  # what it may not look into passes no test
        return sorted(self.run("sh", "-c", search, "find", *tests).split())

    def request(self, method: str, path: str, payload: Any = None) -> Reply:
        """Send a request."""
        address = self.inspect(".NetworkSettings.IPAddress")
        connection = http.client.HTTPConnection(address, PORT, timeout=60)
        try:
            connection.request(method, path, None if payload is None else json.dumps(payload))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def predict(self, model: str, payload: Any) -> Any:
        """The model's answer, once it is ready."""
        try:
            wait_until(lambda: self._is_ready(model), model, 60)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.log}") from None
        reply = self.request("POST", f"/v1/models/{model}:predict", payload)
        assert reply.status == 200, (reply, self.log)
        return reply.json()

    def stop(self) -> int:
        """Stop it as `podman stop` does, by SIGTERM first; its exit status."""
        podman("stop", self.id)
        return int(self.inspect(".State.ExitCode"))

    def _is_ready(self, model: str) -> bool:
        assert self.inspect(".State.Running") == "true", self.log
        try:
            return self.request("GET", f"/v1/models/{model}").status == 200
        except OSError:
            return False
