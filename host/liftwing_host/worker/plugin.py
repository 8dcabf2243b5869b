"""A plugin's model as the worker side sees it: its hooks, found and checked through pluggy.

Runs in the template, or in each worker that loads for itself. One `PluginManager` for each model: a hook call
on a shared one would reach every model.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pluggy

from .. import hookspecs
from ..errors import ConfigurationError
from ..model import Model, ModelConfig
from ..setting import HOST_KEYS, read_settings

__all__ = ["Hook", "LoadedModel", "ModelOrder", "import_entry_point", "open_plugin"]


_ELSEWHERE = {
    "all": (),
    "transformer": ("predict_batch",),
    "predictor": ("fetch", "preprocess", "postprocess", "event"),
}
"""The hooks that run in another process than this host's, by the role that this one has."""


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


@dataclass(frozen=True)
class Hook:
    """One implemented hook.

    Attributes:
        name: Its name in `hookspecs`.
        function: The plugin's own function, a bound method in the class style.
        arguments: The names of the arguments that it wants.
        is_async: Whether it is an ``async def``.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    is_async: bool


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
        batch = order.max_batch_size or int(getattr(plugin, "max_batch_size", 32))
        self.max_batch_size = max(1, batch) if "predict_batch" in hooks else 1
        self.plugin = plugin
        self.hooks = hooks
        self.model: Any = plugin
        self.fork_safe = bool(getattr(plugin, "fork_safe", True))
        self.accepts_raw = bool(getattr(plugin, "accepts_raw", False))
        self.idempotent = bool(getattr(plugin, "idempotent", True))
        self.example: Any = getattr(plugin, "example", None)

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
    )
    is_model = isinstance(found, type) and issubclass(found, Model)
    plugin = found(config) if is_model else found
    if not isinstance(plugin, types.ModuleType | Model):
        raise ConfigurationError(
            f"the entry point {order.entry_point} is neither a class derived from liftwing_host.Model nor a module"
        )
    hooks = _find_hooks(plugin, order.name)
    if order.role == "transformer" and not {"fetch", "preprocess", "postprocess", "event"} & set(hooks):
        raise ConfigurationError(
            "a transformer has nothing to do for this model, which has no hook but predict: ask the predictor itself"
        )
    return LoadedModel(order, plugin, hooks), config


def import_entry_point(entry_point: str) -> Any:
    """What an entry point names. Raises whatever its module raises when it is imported."""
    module_name, _, attribute = entry_point.partition(":")
    found: Any = importlib.import_module(module_name.strip())
    for part in filter(None, attribute.split("[")[0].strip().split(".")):
        if not hasattr(found, part):
            raise ConfigurationError(f"the entry point {entry_point} names {part!r}, which is not there")
        found = getattr(found, part)
    return found


def _settings(found: Any, order: ModelOrder) -> Any:
    declared = typing.get_type_hints(found).get("settings", Any)
    where = f"[models.{order.model}]"
    if declared is not Any:
        taken = [field.name for field in dataclasses.fields(declared) if field.name in HOST_KEYS]
        if taken:
            raise ConfigurationError(
                f"the plugin's setting {taken[0]!r} has the name of one of the host's own keys"
            )
        return read_settings(declared, table=order.table, environ=os.environ, where=where)
    if order.table:
        raise ConfigurationError(f"{where}: unknown key {min(order.table)!r}: the model declares no settings")
    return types.SimpleNamespace()


def _find_hooks(plugin: object, name: str) -> dict[str, Hook]:
    """The hooks that `plugin` implements, checked: a misspelt one is an error here, not a silence later."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ConfigurationError(
            f"{error} (the hooks and their arguments are in liftwing_host.hookspecs)"
        ) from None
    hooks = {}
    for hook_name in ("load", "start", "stop", "predict_batch", "event", *hookspecs.LEG_HOOKS):
        for found in getattr(manager.hook, hook_name).get_hookimpls():
            function = found.function
            is_async = inspect.iscoroutinefunction(function)
            hooks[hook_name] = Hook(hook_name, function, tuple(found.argnames), is_async)
    if "predict" not in hooks:
        raise ConfigurationError("the plugin has no predict hook; it is the one that every model must have")
    if "fetch" in hooks and not hooks["fetch"].is_async:
        raise ConfigurationError(
            "fetch must be `async def`: it is for waiting; computing belongs into preprocess"
        )
    if "event" in hooks and hooks["event"].is_async:
        raise ConfigurationError("event must be plain `def`: it only tells the event, the host sends it")
    if "predict_batch" in hooks and (hooks["predict"].is_async or hooks["predict_batch"].is_async):
        raise ConfigurationError("predict_batch and the predict beside it must be plain `def`")
    return hooks
