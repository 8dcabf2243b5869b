"""A model in the module style: a few functions marked as hooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liftwing_host import ModelConfig, Request, hookimpl, setting


@dataclass(frozen=True)
class Settings:
    """Its settings."""

    factor: int = setting(2, env="ZOO_FACTOR")


settings: Settings


@hookimpl
def load(config: ModelConfig) -> dict[str, Any]:
    """The model is a dict here."""
    return {"factor": config.settings.factor, "name": config.name}


@hookimpl
async def fetch(payload: dict[str, Any], request: Request) -> Any:
    """The number to multiply."""
    assert request.model
    return payload["number"]


@hookimpl
def predict(features: int, model: dict[str, Any]) -> dict[str, Any]:
    """Multiplies."""
    return {model["name"]: features * model["factor"]}
