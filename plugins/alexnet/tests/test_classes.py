"""What is told of photographs whose classes are known, and the shapes between the hooks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from liftwing_host import InvalidInput
from liftwing_plugin_alexnet.categories import CATEGORIES
from liftwing_plugin_alexnet.example import EXAMPLE

PHOTOGRAPHS = Path(__file__).parent.parent / "photographs"


@pytest.fixture(scope="module")
def model() -> Any:
    from liftwing_host import ModelConfig
    from liftwing_plugin_alexnet import EfficientNetLite0Classifier
    from liftwing_plugin_alexnet.settings import ClassifierSettings

    config = ModelConfig("efficientnet-lite0", ClassifierSettings(), demo=True)
    model = EfficientNetLite0Classifier(config)
    model.load(config)
    return model


def question(*paths: Path) -> dict[str, Any]:
    files = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    return {"instances": [{"image": {"b64": file}} for file in files]}


def ask(model: Any, *paths: Path) -> dict[str, Any]:
    answer: dict[str, Any] = model.postprocess(model.predict(model.preprocess(question(*paths))))
    return answer


def test_of_twenty_labelled_photographs_eighteen_are_right_at_once(
    model: Any, labelled: dict[Path, int]
) -> None:
    answers = ask(model, *labelled)["predictions"]
    names = [CATEGORIES[label] for label in labelled.values()]
    first = [next(iter(answer)) for answer in answers]
    assert sum(name == told for name, told in zip(names, first, strict=True)) >= 18
    assert sum(name in answer for name, answer in zip(names, answers, strict=True)) >= 19


@pytest.mark.parametrize(
    ("photograph", "name"), [("cup", "espresso"), ("cat", "Egyptian cat"), ("tripod", "tripod")]
)
def test_one_image_is_told_by_its_five_likeliest_classes(model: Any, photograph: str, name: str) -> None:
    answer = ask(model, PHOTOGRAPHS / f"{photograph}.jpg")
    assert len(answer) == 5
    assert next(iter(answer)) == name
    scores = list(answer.values())
    assert scores == sorted(scores, reverse=True)
    assert 0 < min(scores) < sum(scores) <= 1.00001
    assert all(type(score) is float for score in scores)


def test_several_images_are_told_in_a_list_each_as_if_it_had_come_alone(model: Any) -> None:
    paths = [PHOTOGRAPHS / f"{name}.jpg" for name in ("cup", "cat", "cup", "tripod", "tripod", "cat")]
    answer = ask(model, *paths)
    assert list(answer) == ["predictions"]
    for path, told in zip(paths, answer["predictions"], strict=True):
        assert told == pytest.approx(ask(model, path), rel=1e-3)


def test_a_batch_gives_each_request_its_own_images(model: Any) -> None:
    requests = [("cup",), ("cat", "tripod", "cat"), ("tripod",), ("cup", "cup")]
    features = [
        model.preprocess(question(*(PHOTOGRAPHS / f"{name}.jpg" for name in names))) for names in requests
    ]
    together = model.predict_batch(features)
    for each, batched in zip(features, together, strict=True):
        alone = model.predict(each)["predictions"]
        assert batched["predictions"].shape == alone.shape
        np.testing.assert_allclose(batched["predictions"], alone, atol=1e-5)


def test_features_and_predictions_may_become_json_on_their_way(model: Any) -> None:
    features = model.preprocess(question(PHOTOGRAPHS / "cup.jpg"))
    direct = model.postprocess(model.predict(features))
    sent = json.loads(json.dumps({"instances": features["instances"].tolist()}))
    told = json.loads(json.dumps({"predictions": model.predict(sent)["predictions"].tolist()}))
    assert model.postprocess(told) == pytest.approx(direct, rel=1e-5)


@pytest.mark.parametrize(
    "features",
    [{}, [], {"instances": []}, {"instances": [[1.0]]}, {"instances": "x"}, {"instances": np.zeros((3, 224, 224))}],
    ids=str,
)  # fmt: skip
def test_features_of_another_shape_are_refused(model: Any, features: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        model.predict(features)
    assert "(images, 3, 224, 224)" in caught.value.message


def test_the_example_that_the_host_shows_is_a_cup_of_coffee(model: Any) -> None:
    answer = model.postprocess(model.predict(model.preprocess(EXAMPLE)))
    assert next(iter(answer)) == "espresso"


def test_the_limits_of_the_settings_hold_and_the_image_is_named(
    load: Callable[..., Any], tmp_path: Path
) -> None:
    model = load(max_pixels=1_000_000, max_instances=2)
    large = tmp_path / "large.png"
    Image.new("RGB", (1001, 1000)).save(large)
    with pytest.raises(InvalidInput) as caught:
        model.preprocess(question(PHOTOGRAPHS / "cup.jpg", large))
    assert caught.value.message.startswith("instances[1]: the image has more than the 1000000 pixels")
    with pytest.raises(InvalidInput) as caught:
        model.preprocess(question(*[PHOTOGRAPHS / "cup.jpg"] * 3))
    assert "more than the 2 that one request may bring" in caught.value.message
