"""Writes the folder of settings that MLServer wants, and becomes `mlserver start` in it."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
from pathlib import Path

import work

BATCHING = {"max_batch_size": work.MAX_BATCH_SIZE, "max_batch_time": 0.01}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--models")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))  # Below the TMPDIR that the benchmark removes.
    settings = {
        "debug": False,
        "host": "127.0.0.1",
        "http_port": options.port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
        "metrics_dir": str(folder / "metrics"),
        "parallel_workers": options.workers,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    for name in options.models.split(","):
        model = {"name": name, "implementation": f"runtimes.{name.title().replace('-', '')}"}
        (folder / name).mkdir()
        (folder / name / "model-settings.json").write_text(
            json.dumps(model | (BATCHING if name == "batch" else {}))
        )
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ["PYTHONPATH"]])
    os.chdir(folder)
    command = Path(sys.executable).with_name("mlserver")
    os.execv(command, [str(command), "start", str(folder)])  # noqa: S606 - no shell is wanted
