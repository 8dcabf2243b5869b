"""The bridge begins here: ``python -m liftwing_host.ray SOCKET BOARD`` (file descriptors).

Reads `init` from the host, connects to the cluster, and from then on does what the host asks of a template.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import sys

from ..wire import VERSION, Head, HookBoard
from ..worker.connection import Connection
from ..worker.lifetime import end_process, leave_signals_to_host
from ..worker.parent_death import die_with_parent

LOG_FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s %(message)s"

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0


def main() -> None:
    """Serve the host until it closes the connection."""
    die_with_parent()
    leave_signals_to_host()
    sock = socket.socket(fileno=int(sys.argv[1]))
    board_fd = int(sys.argv[2])
    connection = Connection(sock)
    init = next(connection.messages(), (None, b""))[0]
    if init is None:
        return
    logging.basicConfig(level=init["log_level"], format=LOG_FORMAT, datefmt="%Y-%m-%d %H:%M:%S")
    # What the workers print comes through Ray; Ray reads these when it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_COLOR_PREFIX", "0")
    if not _connected(connection, init):
        return
    # Ray has put its own handlers in their place, which would end this process.
    leave_signals_to_host()
    from .bridge import Bridge
    from .cluster import Cluster

    cluster = Cluster(init["pool"], init["num_cpus"], init["resource"])
    board = HookBoard(board_fd)
    os.close(board_fd)
    status = asyncio.run(Bridge(sock, board, cluster, init).run())
    if status < 0:
        # As the template on the node did, whose end the host is to hear of.
        os.kill(os.getpid(), -status)
    end_process(status)


def _connected(connection: Connection, init: Head) -> bool:
    """Connect to the cluster, however long that takes; whether the host has waited for it."""
    from .cluster import ClusterUnavailable, connect

    pause, told = _FIRST_PAUSE, ""
    while True:
        try:
            connect(init["address"])
        except ClusterUnavailable as error:
            if str(error) != told:
                told = str(error)
                connection.send({"kind": "unavailable", "version": VERSION, "problem": told})
        else:
            return True
        # Readable is the end of file: the host says nothing before it has heard `ready`.
        if select.select([connection.socket], [], [], pause)[0]:
            return False
        pause = min(_LONGEST_PAUSE, pause * 2)


if __name__ == "__main__":
    main()
