"""The stand-in for EventGate as a program: takes events at /v1/events, and tells whoever asks there what it has taken.

::

    PYTHONPATH=tests python -m eventgate --port 8192
"""

from __future__ import annotations

import argparse
import signal

from .stand_in import StandIn


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="eventgate", description="A stand-in for Wikimedia's EventGate.")
    parser.add_argument("--address", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8192, help="the port; 0 takes a free one")
    arguments = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    # Before any thread begins, so that none of them is interrupted instead.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with StandIn(arguments.address, arguments.port) as stand_in:
            print(f"takes events at {stand_in.url}", flush=True)
            signal.sigwait(ends)
    except (OSError, OverflowError) as error:
        parser.error(f"cannot listen on {arguments.address} port {arguments.port}: {error}")


if __name__ == "__main__":
    main()
