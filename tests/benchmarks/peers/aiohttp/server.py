"""The floor: aiohttp answering inline, in its one process."""

from __future__ import annotations

import argparse
import asyncio

import orjson
import work
from aiohttp import web


async def predict(request):
    payload = orjson.loads(await request.read())
    name = request.match_info["name"]
    if name == "cpu":
        work.burn(work.CPU_SECONDS)
    elif name == "upstream":
        await asyncio.sleep(work.WAIT_SECONDS)
    elif name == "length":
        payload = {"length": len(payload["data"])}
    elif name == "batch":
        work.burn(work.BATCH_SECONDS)
    elif name.startswith("weights"):
        payload = {"bytes": len(request.app[WEIGHTS][name])}
    return web.Response(body=orjson.dumps(payload), content_type="application/json")


WEIGHTS = web.AppKey("weights", dict)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--models")
    options = parser.parse_args()
    app = web.Application(client_max_size=8 << 20)
    app[WEIGHTS] = {
        name: work.weights(50) for name in options.models.split(",") if name.startswith("weights")
    }
    app.router.add_post("/v1/models/{name}:predict", predict)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None)
