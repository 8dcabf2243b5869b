"""Which file of weights is loaded, how, and what the operator is told where it cannot be."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from liftwing_host import ConfigurationError, ModelFileMissing
from liftwing_plugin_alexnet import AlexNetClassifier, EfficientNetLite0Classifier
from liftwing_plugin_alexnet.alexnet import AlexNet
from liftwing_plugin_alexnet.architectures import ALEXNET, EFFICIENTNET_LITE0, Architecture
from liftwing_plugin_alexnet.weights import load_network

SMALL = Architecture("Small", lambda: nn.Linear(300, 200), ALEXNET.preprocessing)

Load = Callable[..., Any]


def save_legacy(parameters: Any, path: Path) -> None:
    torch.save(parameters, path, _use_new_zipfile_serialization=False)


SAVED = {"zip": torch.save, "legacy": save_legacy, "safetensors": save_file}


def small(dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    drawn = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(200, 300, generator=drawn).to(dtype), "bias": torch.ones(200, dtype=dtype)}


def refused(path: Path, architecture: Architecture = SMALL) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_network(architecture, path)
    assert str(path) in caught.value.message
    assert "Wanted is the network's state_dict()" in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("kind", SAVED)
def test_weights_are_loaded_whatever_the_file_is_called(
    kind: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    SAVED[kind](small(dtype), tmp_path / "model.bin")
    network = load_network(SMALL, tmp_path / "model.bin")
    assert not network.training
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, small(dtype)[name].float())


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_the_weights_are_the_pages_of_the_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    SAVED[kind](small(), path)
    network = load_network(SMALL, path)
    maps = [
        line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))
    ]
    ranges = [tuple(int(end, 16) for end in fields[0].split("-")) for fields in maps]
    address = network.state_dict()["weight"].data_ptr()
    assert any(begin <= address < end for begin, end in ranges)


def test_alexnets_parameters_have_torchvisions_names_and_shapes() -> None:
    told = np.load(Path(__file__).parent / "references.npz")["parameters"]
    with torch.device("meta"):
        state = AlexNet().state_dict()
    assert [f"{name} {'x'.join(map(str, value.shape))}" for name, value in state.items()] == list(told)


def test_weights_of_another_network_are_told_by_the_first_names(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = EFFICIENTNET_LITE0.build().state_dict()
    torch.save({name: torch.empty(value.shape) for name, value in state.items()}, tmp_path / "model.bin")
    told = refused(tmp_path / "model.bin", ALEXNET)
    assert "does not hold the weights of AlexNet" in told
    assert (
        "missing: 'features.0.weight' 64x3x11x11, 'features.0.bias' 64, 'features.3.weight' 192x64x5x5 and 13 more"
        in told
    )
    assert "unexpected: '_conv_stem.weight' 32x3x3x3, " in told
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in told


def test_parameters_of_other_shapes_are_told_with_both(tmp_path: Path) -> None:
    torch.save(small() | {"bias": torch.ones(7)}, tmp_path / "model.bin")
    assert "of another shape: 'bias' 7 instead of 200." in refused(tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": {"weight": torch.ones(1)}, "epoch": 3}, "it holds a dict of 'state_dict', 'epoch'"),
        ([torch.ones(1)], "it holds an object of type list"),
        (torch.ones(1), "it holds an object of type Tensor"),
    ],
)
def test_what_is_no_state_dict_is_described(content: Any, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.bin")
    assert said in refused(tmp_path / "model.bin")


class Evil:
    """An object that runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("evil"),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if kind == "pickle":
        (tmp_path / "model.bin").write_bytes(pickle.dumps({"weight": Evil()}, protocol=2))
    else:
        SAVED[kind]({"weight": Evil()}, tmp_path / "model.bin")
    told = refused(tmp_path / "model.bin")
    assert "may run code and are not loaded" in told
    assert "weights_only" not in told
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("part", [0, 5, 100, -1])
def test_a_file_that_is_cut_off_is_refused(kind: str, part: int, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    SAVED[kind](small(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 if part == -1 else part])
    assert "cannot be loaded as weights" in refused(path)


def test_a_page_of_a_web_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"<!DOCTYPE html>" * 100)
    assert "cannot be loaded as weights" in refused(tmp_path / "model.bin")


def test_without_a_file_the_operator_is_told_where_it_was_looked_for_and_how_to_get_it(
    load: Load, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileMissing) as caught:
        load(AlexNetClassifier, demo=False)
    for told in (
        str(tmp_path / "mounted" / "a-model" / "alexnet-owt-7be5be79.pth"),
        str(tmp_path / "mounted" / "alexnet-owt-7be5be79.pth"),
        str(tmp_path / "downloads" / "alexnet-owt-7be5be79.pth"),
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "liftwing-host download a-model",
        "--demo",
    ):
        assert told in caught.value.message


@pytest.mark.parametrize("kind", [AlexNetClassifier, EfficientNetLite0Classifier])
def test_a_file_that_was_named_is_not_replaced_by_another(kind: Any, load: Load, tmp_path: Path) -> None:
    with pytest.raises(ModelFileMissing) as caught:
        load(kind, demo=False, model_path=str(tmp_path / "misspelt.pth"))
    assert "misspelt.pth" in caught.value.message


def test_efficientnet_needs_no_file_of_the_operator(load: Load) -> None:
    load(EfficientNetLite0Classifier, demo=False).start()


def test_weights_that_give_no_numbers_are_refused_at_the_start(load: Load, tmp_path: Path) -> None:
    with torch.device("meta"):
        state = EFFICIENTNET_LITE0.build().state_dict()
    path = tmp_path / "model.safetensors"
    save_file(
        {name: torch.full(value.shape, torch.nan).to(value.dtype) for name, value in state.items()}, path
    )
    model = load(EfficientNetLite0Classifier, demo=False, model_path=str(path))
    with pytest.raises(ConfigurationError) as caught:
        model.start()
    assert "give no numbers" in caught.value.message
