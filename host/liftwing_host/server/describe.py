"""What plugins say of their models, for the commands that list and download: asked of a process that imports them."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterable

from ..wire import VERSION, FrameReader, Head, HookBoard, frame
from .discovery import Offer
from .launch import host_path, launch, version_problem

__all__ = ["describe"]


def describe(offers: Iterable[Offer]) -> dict[str, Head]:
    """Import the plugins behind some offers, in a process of its own, and hear what they bring.

    Returns:
        For each offer's name a head with `files` and `summary`, or with `error` and `traceback`. An offer
        whose plugin took the process with it has an `error`, too.
    """
    described: dict[str, Head] = {}
    for offer in offers:
        # One process for each: a plugin that dies while it is imported must not silence the others.
        heads = _ask(offer)
        died = {"error": "its process died while it was imported", "traceback": None}
        described[offer.name] = _checked(heads[0]) if heads else died
    return described


def _checked(head: Head) -> Head:
    """What was told, or why it tells nothing: an interpreter with another liftwing-host says only that."""
    if head["kind"] == "ready":
        return {"error": version_problem(head["version"]), "traceback": None}
    return head


def _ask(offer: Offer) -> list[Head]:
    order = {
        "name": offer.name,
        "model": offer.name,
        "entry_point": offer.entry_point,
        "table": {},
        "demo": False,
        "downloads": "",
    }
    init = {"kind": "init", "version": VERSION, "role": "describe", "models": [order]}
    board, board_fd = HookBoard.create()
    host_end, child_end = socket.socketpair()
    with host_end:
        with child_end:
            process = launch(offer.python or sys.executable, child_end, board_fd, sys.stderr.fileno())
        os.close(board_fd)
        board.close()
        init |= {"log_level": "WARNING", "path": [] if offer.python else host_path()}
        heads: list[Head] = []
        # One that ends before it has read that, such as for want of a liftwing-host, breaks the connection.
        with contextlib.suppress(ConnectionError):
            host_end.sendall(b"".join(frame(init)))
            _read_all(host_end, heads)
    process.wait()
    return heads


def _read_all(host_end: socket.socket, heads: list[Head]) -> None:
    reader = FrameReader()
    while count := host_end.recv_into(reader.get_buffer()):
        heads += [head for head, _ in reader.received(count)]
