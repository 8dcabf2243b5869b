"""MLServer's runtimes: an MLModel for each model. JSON comes in by MLServer's custom handlers, so that it is the same
JSON as everywhere; only what it batches has to speak its own protocol.
"""

from __future__ import annotations

import asyncio

import work
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.handlers import custom_handler
from mlserver.types import InferenceResponse


class Echo(MLModel):
    @custom_handler(rest_path="/v1/models/echo:predict")
    async def answer(self, payload: dict) -> dict:
        return payload


class Probe(MLModel):
    @custom_handler(rest_path="/v1/models/probe:predict")
    async def answer(self, payload: dict) -> dict:
        return payload


class Cpu(MLModel):
    @custom_handler(rest_path="/v1/models/cpu:predict")
    async def answer(self, payload: dict) -> dict:
        work.burn(work.CPU_SECONDS)
        return payload


class Upstream(MLModel):
    @custom_handler(rest_path="/v1/models/upstream:predict")
    async def answer(self, payload: dict) -> dict:
        await asyncio.sleep(work.WAIT_SECONDS)
        return payload


class Length(MLModel):
    @custom_handler(rest_path="/v1/models/length:predict")
    async def answer(self, payload: dict) -> dict:
        return {"length": len(payload["data"])}


class Batch(MLModel):
    """Adaptive batching puts the tensors of up to `max_batch_size` requests together, one row each."""

    async def predict(self, payload):
        work.burn(work.BATCH_SECONDS)
        rows = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("value", rows)])


class Weights(MLModel):
    async def load(self) -> bool:
        self.weights = work.weights(50)
        return True


class Weights1(Weights):
    @custom_handler(rest_path="/v1/models/weights-1:predict")
    async def answer(self, payload: dict) -> dict:
        return {"bytes": len(self.weights)}


class Weights2(Weights):
    @custom_handler(rest_path="/v1/models/weights-2:predict")
    async def answer(self, payload: dict) -> dict:
        return {"bytes": len(self.weights)}


class Weights3(Weights):
    @custom_handler(rest_path="/v1/models/weights-3:predict")
    async def answer(self, payload: dict) -> dict:
        return {"bytes": len(self.weights)}


class Weights4(Weights):
    @custom_handler(rest_path="/v1/models/weights-4:predict")
    async def answer(self, payload: dict) -> dict:
        return {"bytes": len(self.weights)}
