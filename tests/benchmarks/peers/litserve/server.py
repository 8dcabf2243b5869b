"""LitServe: one LitAPI for each model, each with its own inference workers."""

from __future__ import annotations

import argparse
import asyncio

import litserve
import work


class Echo(litserve.LitAPI):
    def predict(self, payload):
        return payload


class Cpu(litserve.LitAPI):
    def predict(self, payload):
        work.burn(work.CPU_SECONDS)
        return payload


class Upstream(litserve.LitAPI):
    async def decode_request(self, request):
        await asyncio.sleep(work.WAIT_SECONDS)
        return request

    async def predict(self, payload):
        return payload

    async def encode_response(self, output):
        return output


class Length(litserve.LitAPI):
    def predict(self, payload):
        return {"length": len(payload["data"])}


class Batch(litserve.LitAPI):
    def predict(self, payloads):
        work.burn(work.BATCH_SECONDS)
        return payloads


class Weights(litserve.LitAPI):
    def setup(self, device):
        self.weights = work.weights(50)

    def predict(self, payload):
        return {"bytes": len(self.weights)}


KINDS = {"echo": Echo, "probe": Echo, "cpu": Cpu, "upstream": Upstream, "length": Length, "batch": Batch}
OPTIONS = {
    "upstream": {"enable_async": True},
    "batch": {"max_batch_size": work.MAX_BATCH_SIZE, "batch_timeout": 0.01},
}


def api(name):
    kind = KINDS.get(name, Weights)
    return kind(api_path=f"/v1/models/{name}:predict", **OPTIONS.get(name, {}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--models")
    options = parser.parse_args()
    server = litserve.LitServer(
        [api(name) for name in options.models.split(",")],
        accelerator="cpu",
        workers_per_device=options.workers,
    )
    server.run(
        host="127.0.0.1",
        port=options.port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
