"""What the operator sees while `liftwing-host download` fetches files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError
from ..published import sha256_problem, url_problem
from .download import Downloaded, Expected, OnProgress, download

__all__ = ["fetch_files"]

_MIB = 1 << 20


def fetch_files(
    model: str, files: Sequence[Mapping[str, Any]], folder: Path, url: str | None, sha256: str | None
) -> None:
    """Fetch the files of a model into a folder.

    Args:
        model: The model's name.
        files: The fields of each `liftwing_host.PublishedFile`.
        folder: Where they go.
        url: Where to fetch from, instead of where the plugin says.
        sha256: The checksum, instead of the plugin's.

    Raises:
        ConfigurationError: A file cannot be had.
    """
    if not files:
        raise ConfigurationError(f"{model} has no published files: there is nothing to download.")
    if len(files) > 1 and (url is not None or sha256 is not None):
        raise ConfigurationError(f"{model} has {len(files)} files; --url and --sha256 are for a single one.")
    if url is not None and (problem := url_problem(url)):
        raise ConfigurationError(f"--url {url!r} is wrong: {problem}.")
    if sha256 is not None and (problem := sha256_problem(sha256)):
        raise ConfigurationError(f"--sha256 {sha256!r} is wrong: {problem}.")
    for file in files:
        path = folder / file["name"]
        expected = Expected(sha256 or file["sha256"], file["size"])
        if _is_there(path, expected):
            continue
        source = url or file["url"]
        licence = f" ({file['licence']})" if file["licence"] else ""
        click.echo(f"Fetching {source}{licence}", err=True)
        with _progress(file["name"]) as on_progress:
            done = download(source, path, expected, on_progress)
        click.echo(f"{done.path}: {done.size} bytes, SHA-256 {done.sha256}")


def _is_there(path: Path, expected: Expected) -> bool:
    """Whether the file need not be fetched, which the operator is told.

    Raises:
        ConfigurationError: What is there is another file, or cannot be read. Nothing is overwritten.
    """
    try:
        if not path.exists():
            return False
        if expected == Expected():
            click.echo(f"{path} is there already. Delete it to fetch it again.")
            return True
        found = Downloaded.at(path)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror or error}.") from None
    if difference := expected.unlike(found):
        raise ConfigurationError(f"{path} has {difference}. Delete it to fetch it again.")
    click.echo(f"{path} is there already, and is the one wanted: {found.size} bytes, SHA-256 {found.sha256}")
    return True


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """A bar on a terminal, a line for every tenth of the file elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        yield lambda size, total: progress.update(task, completed=size, total=total)


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name
        self._told = 0

    def __call__(self, size: int, total: int | None) -> None:
        tenth = 10 * size // total if total else size // (100 * _MIB)
        if tenth > self._told:
            self._told = tenth
            of = f" of {total / _MIB:.1f}" if total else ""
            click.echo(f"{self._name}: {size / _MIB:.1f}{of} MiB", err=True)
