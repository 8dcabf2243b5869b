"""A plugin's model as the worker side sees it: imported, its settings read, its hooks found.

Runs in the template, or in each worker that loads for itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib
import inspect
import os
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from ..errors import ConfigurationError
from ..model import Model, ModelConfig
from ..setting import HOST_KEYS, read_settings
from .declarations import declared_example, declared_files, declared_of_type
from .hooks import Hook, find_hooks

__all__ = ["LoadedModel", "ModelOrder", "import_entry_point", "open_plugin"]

_ELSEWHERE = {
    "all": (),
    "transformer": ("predict_batch",),
    "predictor": ("fetch", "preprocess", "postprocess", "event"),
}
"""The hooks that run in another process than this host's, by the role that this one has."""

_MEND = (
    "Entry points are in the plugin's pyproject.toml; install it again when they have changed (pip install)."
)


@dataclass(frozen=True)
class _NoSettings:
    """Those of a model that declares none."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"there is no setting {name!r}: the model declares no settings. Annotate its class (or, at the top, its "
            f"module) with the dataclass that has them: `settings: S`"
        )


@dataclass(frozen=True)
class ModelOrder:
    """What the host wants to have loaded: the body of one entry of `init`.

    Attributes:
        name: The name in the URL.
        model: The model's own name, by which the plugin brings it.
        entry_point: Where its code is, as ``module:attribute``, or ``module`` for the module style.
        table: The model's own keys of the TOML file.
        demo: Whether the operator asked for the demo.
        downloads: The folder of the model's downloaded files.
        beside_loop: The `def` hooks that run in the async worker's process instead of a compute worker.
        max_batch_size: The operator's limit for `predict_batch`; None: the model's own.
        dev: Whether the author wants mistakes to be found at a price.
        role: Which of the hooks run here, see `ModelConfig`.
    """

    name: str
    model: str
    entry_point: str
    table: Mapping[str, Any]
    demo: bool
    downloads: str
    beside_loop: tuple[str, ...] = ()
    max_batch_size: int | None = None
    dev: bool = False
    role: Literal["all", "transformer", "predictor"] = "all"


class LoadedModel:
    """A model's hooks and, once `load` has run, what they work with.

    Attributes:
        name: The name in the URL.
        hooks: The implemented hooks by name.
        model: What the hooks get as `model`.
        fork_safe: Whether workers may be forked from the process that loaded it.
        idempotent: Whether a request may be run once more after the death of the worker that ran it.
        example: A payload to try, or None.
        beside_loop: The `def` hooks that run in the async worker's process.
        max_batch_size: How many requests `predict_batch` gets at most; 1 where there is none.
        accepts_raw: Whether the payload is the body as it came, instead of decoded JSON.
        role: Which of the hooks run here, see `ModelConfig`.
        takes: What the body of a request is: the client's own `request`, or the `features` of the transformer.
        gives: What the answer to a request is: the client's `response`, or the `prediction` for the transformer.
    """

    def __init__(self, order: ModelOrder, plugin: object, hooks: dict[str, Hook]) -> None:
        self.name = order.name
        self.role = order.role
        self.takes: Literal["request", "features"] = "request"
        self.gives: Literal["response", "prediction"] = "response"
        if order.role == "predictor":
            self.takes = "features" if {"fetch", "preprocess"} & set(hooks) else "request"
            self.gives = "prediction" if "postprocess" in hooks else "response"
        hooks = {name: hook for name, hook in hooks.items() if name not in _ELSEWHERE[order.role]}
        self.beside_loop = frozenset(order.beside_loop)
        batch = order.max_batch_size or declared_of_type(plugin, "max_batch_size", 32, positive=True)
        self.max_batch_size = batch if "predict_batch" in hooks else 1
        self.plugin = plugin
        self.hooks = hooks
        self.model: Any = plugin
        self.fork_safe = declared_of_type(plugin, "fork_safe", True)
        self.accepts_raw = declared_of_type(plugin, "accepts_raw", False)
        self.idempotent = declared_of_type(plugin, "idempotent", True)
        self.example: Any = declared_example(plugin)

    def load(self, config: ModelConfig) -> None:
        """Run the `load` hook."""
        hook = self.hooks.get("load")
        loaded = hook.function(**dict.fromkeys(hook.arguments, config)) if hook else None
        if inspect.isawaitable(loaded):
            if inspect.iscoroutine(loaded):
                loaded.close()
            raise ConfigurationError("load must be a plain function: it returned a coroutine")
        if not isinstance(self.plugin, Model):
            self.model = loaded


def open_plugin(order: ModelOrder) -> tuple[LoadedModel, ModelConfig]:
    """Import a model's plugin, read its settings and find its hooks; `load` is not run yet.

    Raises:
        ConfigurationError: The plugin or its settings are not as they must be; the message says what to do.
        Exception: Whatever the plugin raises when it is imported.
    """
    found = import_entry_point(order.entry_point)
    config = ModelConfig(
        name=order.model,
        settings=_settings(found, order),
        demo=order.demo,
        downloads=Path(order.downloads),
        role=order.role,
        files=declared_files(found),
    )
    plugin = found if isinstance(found, types.ModuleType) else _instance(found, config)
    hooks = find_hooks(plugin, order.name)
    if order.role == "transformer" and not {"fetch", "preprocess", "postprocess", "event"} & set(hooks):
        raise ConfigurationError(
            "a transformer has nothing to do for this model, which has no hook but predict: ask the predictor itself"
        )
    return LoadedModel(order, plugin, hooks), config


def import_entry_point(entry_point: str) -> type[Model] | types.ModuleType:
    """What an entry point names.

    Raises:
        ConfigurationError: It is not there, or it is neither a class derived from `Model` nor a module.
        Exception: Whatever its module raises when it is imported.
    """
    module_name, _, attribute = entry_point.partition(":")
    found: Any = importlib.import_module(module_name.strip())
    for part in filter(None, attribute.split("[")[0].strip().split(".")):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"the entry point {entry_point} names {part!r}, which is not there.{hint} {_MEND}"
            )
        found = getattr(found, part)
    if isinstance(found, types.ModuleType) or (isinstance(found, type) and issubclass(found, Model)):
        return found
    what = found.__name__ if isinstance(found, type) else f"a {type(found).__name__}"
    raise ConfigurationError(
        f"the entry point {entry_point} is neither a class derived from liftwing_host.Model nor a module: "
        f"it is {what}. {_MEND}"
    )


def _instance(found: type[Model], config: ModelConfig) -> Model:
    try:
        # Not by the TypeError of the call itself: what an __init__ raises within is the plugin's own.
        with contextlib.suppress(ValueError):  # Compiled, and without a signature.
            inspect.signature(found).bind(config)
    except TypeError as error:
        raise ConfigurationError(
            f"{found.__name__} is made by {found.__name__}(config), which its __init__ does not take: {error}. Leave "
            f"__init__ out: what it does belongs into load, which finds self.config and self.settings there."
        ) from None
    return found(config)


def _annotated_settings(found: type[Model] | types.ModuleType) -> Any:
    """What the annotation `settings` names. Others are let be: they may name what only type checkers import.

    Raises:
        ConfigurationError: It names nothing that can be found, or a dataclass is assigned to `settings` instead.
    """
    for place in [found] if isinstance(found, types.ModuleType) else found.__mro__:
        annotations = inspect.get_annotations(place)
        if "settings" in annotations:
            return _resolved(annotations["settings"], place)
        _reject_assigned(place)
    return Any


def _resolved(annotation: Any, place: type | types.ModuleType) -> Any:
    module = place if isinstance(place, types.ModuleType) else sys.modules.get(place.__module__)
    alone = type(place.__name__, (), {"__annotations__": {"settings": annotation}})
    names = vars(module) if module is not None else {}
    try:
        return typing.get_type_hints(alone, names, dict(vars(place)))["settings"]
    except Exception as error:  # noqa: BLE001 - the text of an annotation is code, and may raise anything
        raise ConfigurationError(
            f"{place.__name__} has the annotation settings: {annotation!r}, which cannot be resolved: {error}. It must "
            f"name a dataclass of setting() fields that its module defines, or imports for more than type checkers."
        ) from None


def _reject_assigned(place: type | types.ModuleType) -> None:
    """In a class, what the host has read hides it from the hooks; in a module, no operator could set any of it."""
    assigned = vars(place).get("settings")
    if dataclasses.is_dataclass(assigned):
        named = (assigned if isinstance(assigned, type) else type(assigned)).__name__
        raise ConfigurationError(
            f"{place.__name__}.settings is assigned, which declares no settings: annotate it instead, "
            f"`settings: {named}`. (If it is nothing that an operator is to set, call it something else.)"
        )


def _settings(found: type[Model] | types.ModuleType, order: ModelOrder) -> Any:
    declared = _annotated_settings(found)
    if declared is Any:
        declared = _NoSettings
    if not (isinstance(declared, type) and dataclasses.is_dataclass(declared)):
        told = getattr(declared, "__name__", declared)
        raise ConfigurationError(
            f"the annotation of settings is {told}, and must be a dataclass of setting() fields"
        )
    taken = [field.name for field in dataclasses.fields(declared) if field.name in HOST_KEYS]
    if taken:
        raise ConfigurationError(
            f"the plugin's setting {taken[0]!r} has the name of one of the host's own keys"
        )
    return read_settings(
        declared, table=order.table, environ=os.environ, where=f"[models.{order.model}]", others=HOST_KEYS
    )
