"""The model as the host would load it: lid.176, and settings as an operator would write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import ModelConfig, read_settings
from liftwing_plugin_langid import LanguageIdentification
from liftwing_plugin_langid.settings import LangidSettings

NAME = "langid"


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., LanguageIdentification]:
    """Load a model: the demo, unless told otherwise."""

    def load(*, demo: bool = True, **settings: Any) -> LanguageIdentification:
        declared = read_settings(LangidSettings, table=settings, environ={})
        config = ModelConfig(
            NAME, declared, demo=demo, downloads=tmp_path / "downloads", mounted=tmp_path / "models"
        )
        model = LanguageIdentification(config)
        model.load(config)
        return model

    return load


@pytest.fixture
def ask(load: Callable[..., LanguageIdentification]) -> Callable[[Any], dict[str, Any]]:
    """Ask the demo, through all hooks, as the host would."""
    model = load()
    return lambda payload: model.postprocess(model.predict(model.preprocess(payload)))
