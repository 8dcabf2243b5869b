"""The model as the host would load it: with the demo's weights, and settings as an operator would write them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import ModelConfig, Request, read_settings
from liftwing_plugin_outlink import OutlinkTopicModel
from liftwing_plugin_outlink.settings import OutlinkSettings

NAME = "outlink-topic-model"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., OutlinkTopicModel]:
    """Load a model: the demo, unless told otherwise."""

    def load(*, demo: bool = True, **settings: Any) -> OutlinkTopicModel:
        config = ModelConfig(
            NAME,
            read_settings(OutlinkSettings, table=settings),
            demo=demo,
            downloads=tmp_path / "downloads",
            mounted=tmp_path / "models",
        )
        model = OutlinkTopicModel(config)
        model.load(config)
        return model

    return load


@pytest.fixture
def ask(load: Callable[..., OutlinkTopicModel]) -> Callable[..., dict[str, Any]]:
    """Ask the demo, through all hooks, as the host would."""
    model = load()

    def ask(**payload: Any) -> dict[str, Any]:
        fetched = asyncio.run(model.fetch(payload, Request("a-request", NAME)))
        answer = model.postprocess(model.predict(model.preprocess(fetched)))
        assert list(answer) == ["prediction"]
        prediction: dict[str, Any] = answer["prediction"]
        assert list(prediction) == ["article", "results"]
        return prediction

    return ask
