"""Runs what a page of the documentation shows in its console blocks, as written, in one shell for each section.

A command begins with `$ `; the lines after it, up to the next, are what it prints. One that ends with ` &` goes on in the
background, and has to end in good order when it is told to at the end of its section.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["Command", "Shell", "commands"]

_ROOT = Path(__file__).parent.parent
_PORT = re.compile(r"(?<![\w.])8\d{3}\b")
_PATIENCE = 120.0


@dataclass(frozen=True)
class Command:
    """A command, and what the page says that it prints."""

    text: str
    shown: str

    @property
    def goes_on(self) -> bool:
        """Whether it runs in the background."""
        return self.text.endswith(" &")


def commands(page: Path, heading: str) -> list[Command]:
    """The commands of a section, in their order."""
    _, found, rest = page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, f"{page.name} has no section {heading!r}"
    blocks = re.findall(r"^```console\n(.*?)^```", rest.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    parts = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", "".join(blocks), re.MULTILINE)
    return [Command(text, shown) for text, shown in parts]


class Shell:
    """One shell, at the root of the repository, where the commands of this environment are on the path.

    Ports between 8000 and 8999 stand for others that are free.

    Args:
        folder: For its log files.
        instead: What stands in the commands for something that only a reader has, and what the test has instead.
    """

    def __init__(self, folder: Path, instead: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._instead = dict(instead or {})
        self._ports: dict[str, str] = {}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environ = {**os.environ, "PATH": path, "HOME": str(folder)}
        self._background: list[tuple[str, subprocess.Popen[str], Path]] = []

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ends = []
        for text, process, log in reversed(self._background):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                ends.append((text, process.wait(_PATIENCE), log.read_text()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                ends.append((text, process.wait(), log.read_text()))
        if error is None:
            for text, status, said in ends:
                assert status == 0, f"{text}\nended with {status}:\n{said}"
        else:
            for text, status, said in ends:
                print(f"{text}\nended with {status}:\n{said}")

    def run(self, command: Command) -> str:
        """Run a command, or begin it.

        Returns:
            What it printed, with the page's own ports and names in it; nothing of one that goes on.
        """
        text = self._translated(command.text)
        if text.startswith("export "):
            for name, value in re.findall(r"(\w+)=(\S+)", text):
                self._environ[name] = value
            return ""
        if command.goes_on:
            self._begin(text.removesuffix(" &"))
            return ""
        done = subprocess.run(
            ["bash", "-c", text], cwd=_ROOT, env=self._environ, capture_output=True, text=True,
            timeout=_PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\nended with {done.returncode}: {done.stderr}\n{self._logs()}"
        return self._translated_back(done.stdout)

    def _begin(self, text: str) -> None:
        log = self._folder / f"{len(self._background)}.log"
        with log.open("w") as file:
            # `exec`: the signal at the end is for the command, not for a shell that waits for it.
            process = subprocess.Popen(
                ["bash", "-c", _exec(text)], cwd=_ROOT, env=self._environ, stdout=file, stderr=file, text=True,
                start_new_session=True,
            )  # fmt: skip
        self._background.append((text, process, log))

    def _logs(self) -> str:
        return "\n".join(f"{text}:\n{log.read_text()}" for text, _, log in self._background)

    def _translated(self, text: str) -> str:
        for written, meant in self._instead.items():
            text = text.replace(written, meant)
        return _PORT.sub(lambda found: self._port(found.group()), text)

    def _translated_back(self, text: str) -> str:
        for written, port in self._ports.items():
            text = re.sub(rf"(?<!\w){port}\b", written, text)
        for written, meant in self._instead.items():
            text = text.replace(meant, written)
        return text

    def _port(self, written: str) -> str:
        if written not in self._ports:
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                self._ports[written] = str(sock.getsockname()[1])
        return self._ports[written]


def _exec(text: str) -> str:
    """The command so that it takes the place of the shell; variables that are set for it come before `exec`."""
    variables = re.match(r"(?:\w+=\S+ +)*", text)
    assert variables is not None
    return f"{variables.group()}exec {text[variables.end() :]}"
