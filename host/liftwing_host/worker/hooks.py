"""The hooks that a plugin implements, found through pluggy, and checked: a wrong one is told here, not a silence later.

One `PluginManager` for each model: a hook call on a shared one would reach every model.
"""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter
from typing import Any

import pluggy

from .. import hookspecs
from ..errors import ConfigurationError

__all__ = ["Hook", "find_hooks", "run_plain"]

_OF_KSERVE = {"headers": "the client's headers are request.headers", "response_headers": "they cannot be set"}
"""What hooks of KServe's SDK take, and whoever brings a model from there will write."""

_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


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


def run_plain(hook: Hook, arguments: dict[str, Any]) -> Any:
    """Run a `def` hook. One that gives back a coroutine has the wrong colour."""
    value = hook.function(**arguments)
    if not inspect.isawaitable(value):
        return value
    if inspect.iscoroutine(value):
        value.close()
    raise ConfigurationError(
        f"{hook.name} is a `def` that returned a coroutine. Declare it `async def`: the colour of a hook says "
        f"where it runs."
    )


def find_hooks(plugin: types.ModuleType | object, name: str) -> dict[str, Hook]:
    """The hooks that a plugin implements, by name.

    Args:
        plugin: A module, or an instance of a class.
        name: What pluggy calls it in its own messages: the model's name.

    Raises:
        ConfigurationError: One of them is not as it must be; the message says what to mend.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    _check_marked(manager, plugin)
    if isinstance(plugin, types.ModuleType):
        _check_unmarked(manager, plugin)
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ConfigurationError(
            f"{error} (the hooks and their arguments are in liftwing_host.hookspecs)"
        ) from None
    hooks = {}
    for hook_name in hookspecs.HOOKS:
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


def _check_marked(manager: pluggy.PluginManager, plugin: object) -> None:
    """pluggy's own words for these mistakes do not say what would be right, and some it lets pass."""
    for attribute in dir(plugin):
        marked = manager.parse_hookimpl_opts(plugin, attribute)
        if marked is None:
            continue
        name = marked["specname"] or attribute
        if name not in hookspecs.HOOKS:
            near = difflib.get_close_matches(name, hookspecs.HOOKS, n=1)
            raise ConfigurationError(
                f"{name} is no hook. "
                + (f"Did you mean {near[0]}?" if near else f"The hooks are {', '.join(hookspecs.HOOKS)}.")
            )
        _check_arguments(name, getattr(plugin, attribute))


def _check_unmarked(manager: pluggy.PluginManager, module: types.ModuleType) -> None:
    for name in hookspecs.HOOKS:
        function = getattr(module, name, None)
        if (
            inspect.isfunction(function)
            and function.__module__ == module.__name__
            and manager.parse_hookimpl_opts(module, name) is None
        ):
            raise ConfigurationError(
                f"{name} is not marked with @hookimpl, and would never run. (If it is no hook, call it something else.)"
            )


def _check_arguments(hook: str, function: Callable[..., Any]) -> None:
    allowed = tuple(inspect.signature(getattr(hookspecs, hook)).parameters)
    try:
        of_class = (
            inspect.signature(function.__func__).parameters if inspect.ismethod(function) else {"": None}
        )
        if not of_class:
            raise ConfigurationError(f"{hook} is a method: it needs self.")
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return  # Compiled, and without a signature: pluggy takes such a one for a hook without arguments.
    first = next(iter(of_class))
    if first in allowed and first != "model":
        raise ConfigurationError(f"{hook} is a method: it needs self before {first!r}.")
    for parameter in parameters:
        _check_argument(hook, parameter, allowed)
    variable = [each for each in parameters if each.kind in _VARIABLE]
    if hook in hookspecs.LEG_HOOKS and variable and len(variable) == len(parameters):
        raise ConfigurationError(
            f"{hook} gets the arguments that it names, and nothing by * or **: it can have {', '.join(allowed)}. "
            "(Of a decorated hook, functools.wraps passes the names on.)"
        )


def _check_argument(hook: str, parameter: Parameter, allowed: tuple[str, ...]) -> None:
    name, has_default = parameter.name, parameter.default is not Parameter.empty
    if parameter.kind in _VARIABLE:
        return
    hint = f" ({_OF_KSERVE[name]})" if name in _OF_KSERVE else ""
    if name not in allowed and (hint or not has_default):
        raise ConfigurationError(f"{hook} has no argument {name!r}{hint}; it can have {', '.join(allowed)}.")
    if name in allowed and has_default:
        raise ConfigurationError(f"{hook} would never get {name!r}, which has a default: leave that out.")
    if name in allowed and parameter.kind is not Parameter.POSITIONAL_OR_KEYWORD:
        raise ConfigurationError(f"{hook} gets {name!r} by name: no * before it and no / after it.")
