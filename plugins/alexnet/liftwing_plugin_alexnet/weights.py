"""The weights of a network: where their file is looked for, how it is read, and whether it fits."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from liftwing_host import ConfigurationError, ModelConfig

from .architectures import Architecture

__all__ = ["find_weights", "load_network"]

_logger = logging.getLogger("liftwing_plugin_alexnet")

_ZIP = b"PK\x03\x04"
_SHOWN = 3


def find_weights(architecture: Architecture, config: ModelConfig) -> Path:
    """The file that was named, unless for the demo; else that of a package, or the usual places of a model's file.

    Raises:
        ModelFileMissing: There is none. The message says how to get it.
        ConfigurationError: It cannot be looked at.
    """
    named: Path | None = config.settings.model_path
    if architecture.weights is not None and (config.demo or named is None):
        return architecture.weights
    names = () if architecture.published is None else (architecture.published.name,)
    return config.find_file(*names, path=named, advice=_advice(architecture, config))


def _advice(architecture: Architecture, config: ModelConfig) -> str:
    if architecture.published is None:
        return (
            f"MODEL_PATH says where to look; without it, {architecture.title}'s weights come from a package."
        )
    return (
        f"MODEL_PATH says where to look. The weights are published at {architecture.published.url} ; "
        f"`liftwing-host download {config.name}` fetches them. "
        f"To try without them, `--demo` serves a network whose weights a package brings."
    )


def load_network(architecture: Architecture, path: Path) -> nn.Module:
    """The network with the weights of a file, to predict with.

    The parameters are the file's pages where its format allows that: all processes that load it share them.

    Raises:
        ConfigurationError: The file holds no weights, or those of another network; the message says which.
    """
    parameters = _read(architecture, path)
    # On this device nothing is allocated, and nothing drawn that would be thrown away.
    with torch.device("meta"):
        network = architecture.build()
    problems = _problems(network.state_dict(), parameters)
    if problems:
        raise ConfigurationError(
            f"{path} does not hold the weights of {architecture.title}: {'; '.join(problems)}. {_wanted(architecture)}"
        )
    network.load_state_dict({name: _single(value) for name, value in parameters.items()}, assign=True)
    network.requires_grad_(False)
    return network.eval()


def _read(architecture: Architecture, path: Path) -> Mapping[str, Tensor]:
    try:
        found = _parameters(path)
    except pickle.UnpicklingError as error:
        _logger.debug("%s", error)
        reason = (
            "it is damaged, or holds other Python objects than tensors, which may run code and are not loaded"
        )
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
    else:
        if isinstance(found, Mapping) and all(isinstance(value, Tensor) for value in found.values()):
            return found
        reason = f"it holds {_described(found)}, and not the parameters by name"
    raise ConfigurationError(f"{path} cannot be loaded as weights: {reason}. {_wanted(architecture)}")


def _parameters(path: Path) -> Any:
    """What is in a file, by its first bytes: its name says little (KServe's storage likes `model.bin`)."""
    with path.open("rb") as file:
        beginning = file.read(9)
    if beginning.startswith(_ZIP):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if beginning[8:] == b"{":
        return load_file(path)
    # What torch wrote before version 1.6 cannot be mapped; forked workers share it all the same.
    return torch.load(path, map_location="cpu", weights_only=True)


def _single(value: Tensor) -> Tensor:
    """Half precision saves disk space; CPUs compute in single precision."""
    return value.float() if value.is_floating_point() else value


def _problems(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    missing = [f"{name!r} {_shape(value)}" for name, value in expected.items() if name not in found]
    unexpected = [f"{name!r} {_shape(value)}" for name, value in found.items() if name not in expected]
    misshapen = [
        f"{name!r} {_shape(found[name])} instead of {_shape(value)}"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    told = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    return [f"{kind}: {_first(names)}" for kind, names in told.items() if names]


def _first(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"


def _described(found: object) -> str:
    if isinstance(found, Mapping):
        return f"a dict of {_first([repr(key) for key in found]) or 'nothing'}"
    return f"an object of type {type(found).__name__}"


def _wanted(architecture: Architecture) -> str:
    published = f", or the file from {architecture.published.url}" if architecture.published else ""
    return f"Wanted is the network's state_dict(), written by torch.save or safetensors.torch.save_file{published}."
