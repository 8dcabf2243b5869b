"""The common design by hand: Tornado's RequestHandler, and a ProcessPoolExecutor behind every model."""

from __future__ import annotations

import argparse
import asyncio
import json
from concurrent.futures import ProcessPoolExecutor

import work
from tornado.web import Application, RequestHandler

_loaded: bytearray | None = None


def echo(payload):
    return payload


def cpu(payload):
    work.burn(work.CPU_SECONDS)
    return payload


def length(payload):
    return {"length": len(payload["data"])}


def batch(payload):
    work.burn(work.BATCH_SECONDS)
    return payload


def load():
    global _loaded  # noqa: PLW0603 - an initializer has nowhere else to leave it
    _loaded = work.weights(50)


def weights(payload):
    return {"bytes": len(_loaded)}


PREDICT = {"echo": echo, "probe": echo, "cpu": cpu, "upstream": echo, "length": length, "batch": batch}


class Predict(RequestHandler):
    def initialize(self, pools):
        self.pools = pools

    async def post(self, name):
        payload = json.loads(self.request.body)
        if name == "upstream":
            await asyncio.sleep(work.WAIT_SECONDS)
        loop = asyncio.get_running_loop()
        self.write(await loop.run_in_executor(self.pools[name], PREDICT.get(name, weights), payload))


async def serve(port, workers, names):
    pools = {
        name: ProcessPoolExecutor(workers, initializer=None if name in PREDICT else load) for name in names
    }
    app = Application([(r"/v1/models/([^/:]+):predict", Predict, {"pools": pools})])
    app.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--models")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.workers, options.models.split(",")))
