"""KServe's SDK: a Model for each model, one ModelServer; its workers are whole copies of the server."""

from __future__ import annotations

import argparse
import asyncio

import work
from kserve import Model, ModelServer, model_server


class Echo(Model):
    def __init__(self, name):
        super().__init__(name)
        self.load()

    def load(self):
        self.ready = True

    def predict(self, payload, headers=None):
        return payload


class Cpu(Echo):
    def predict(self, payload, headers=None):
        work.burn(work.CPU_SECONDS)
        return payload


class Upstream(Echo):
    async def preprocess(self, payload, headers=None):
        await asyncio.sleep(work.WAIT_SECONDS)
        return payload


class Length(Echo):
    def predict(self, payload, headers=None):
        return {"length": len(payload["data"])}


class Batch(Echo):
    def predict(self, payload, headers=None):
        work.burn(work.BATCH_SECONDS)
        return payload


class Weights(Echo):
    def load(self):
        self.weights = work.weights(50)
        self.ready = True

    def predict(self, payload, headers=None):
        return {"bytes": len(self.weights)}


KINDS = {"echo": Echo, "probe": Echo, "cpu": Cpu, "upstream": Upstream, "length": Length, "batch": Batch}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--port", type=int)
    parser.add_argument("--models")
    options = parser.parse_args()
    models = [KINDS.get(name, Weights)(name) for name in options.models.split(",")]
    server = ModelServer(
        http_port=options.port,
        workers=options.workers,
        enable_grpc=False,
        enable_latency_logging=False,
        access_log_format=None,
    )
    server.start(models)
