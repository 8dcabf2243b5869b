"""What a plugin declares of its model: attributes of its class, or of its module, looked at before they are believed."""

from __future__ import annotations

import difflib
import inspect
import logging
import types
from typing import Any, TypeVar

import orjson

from ..errors import ConfigurationError
from ..model import Model
from ..published import PublishedFile

__all__ = ["declared_example", "declared_files", "declared_of_type", "warn_of_declarations"]

T = TypeVar("T")

_DECLARATIONS = tuple(name for name in vars(Model) if not name.startswith("_"))
_LOOKS_LIKE = 0.85
"""So that `exmaple` does, and `batch_size`, which many a model has for its own use, does not."""

log = logging.getLogger("liftwing_host.worker")


def declared_files(plugin: object) -> tuple[PublishedFile, ...]:
    """The published files of a class, an instance of it or a module.

    Raises:
        ConfigurationError: `files` is something else.
    """
    files = _declared(plugin, "files", ())
    is_sequence = isinstance(files, tuple | list)
    if is_sequence and all(isinstance(file, PublishedFile) for file in files):
        return tuple(files)
    raise ConfigurationError(
        f"the model's files is {_shown(files)}, and must be a tuple of PublishedFile: (PublishedFile(…),)"
    )


def declared_example(plugin: object) -> Any:
    """The payload to try, or None.

    Raises:
        ConfigurationError: `example` is a method.
    """
    example = _declared(plugin, "example", None)
    if callable(example):
        raise ConfigurationError(f"the model's example is {_shown(example)}, and must be a payload")
    return example


def warn_of_declarations(plugin: object, model: str) -> None:
    """Warn in the log of an example that JSON cannot hold, and of what is called almost as a declaration is.

    Args:
        plugin: A module, or an instance of a class, whose declarations are of the right types.
        model: The model's name.
    """
    _warn_of_misspelt(plugin, model)
    if _declared(plugin, "accepts_raw", False):  # Its payload may be anything.
        return
    try:
        orjson.dumps(declared_example(plugin))
    except TypeError as error:
        log.warning(
            "model %s: its example is not shown, since JSON cannot hold it (%s). Write it with dicts, lists, texts, "
            "numbers, True, False and None",
            model,
            error,
        )


def _warn_of_misspelt(plugin: object, model: str) -> None:
    """Only warn: an author's own attribute may be called so."""
    is_module = isinstance(plugin, types.ModuleType)
    places = [plugin] if is_module else [each for each in type(plugin).__mro__ if each not in (Model, object)]
    own = {name: value for place in reversed(places) for name, value in vars(place).items()}
    for name, value in own.items():
        if name.startswith("_") or name in _DECLARATIONS:
            continue
        meant = difflib.get_close_matches(name.lower(), _DECLARATIONS, n=1, cutoff=_LOOKS_LIKE)
        if meant and meant[0] not in own and not _is_other(value):
            log.warning(
                "model %s: its attribute %s declares nothing. Did you mean %s? (If it is one of your own, start its "
                "name with an underscore.)",
                model,
                name,
                meant[0],
            )


def _is_other(value: object) -> bool:
    """Whether it is nothing that is ever declared: code, or a text, which may well be called `file`."""
    is_code = callable(value) or isinstance(value, types.ModuleType) or hasattr(type(value), "__get__")
    return is_code or isinstance(value, str)


def declared_of_type(plugin: object, name: str, default: T, *, positive: bool = False) -> T:
    """An attribute that must be of the default's type: True or False, or a whole number.

    Args:
        plugin: A module, or an instance of a class.
        name: The attribute's name.
        default: Its value where it is not declared.
        positive: Whether the number must be 1 or more.

    Raises:
        ConfigurationError: It is of another type, or too small.
    """
    value = _declared(plugin, name, default)
    too_small = positive and isinstance(value, int) and value < 1
    if type(value) is not type(default) or too_small:
        wanted = "True or False" if isinstance(default, bool) else "a whole number"
        wanted += ", 1 or more" if positive else ""
        raise ConfigurationError(f"the model's {name} is {_shown(value)}, and must be {wanted}")
    return value


def _declared(plugin: object, name: str, default: Any) -> Any:
    """In a module, a function, a class or another module declares nothing: it only has that name, as `files` of
    importlib.resources has."""
    value = getattr(plugin, name, default)
    is_code = callable(value) or isinstance(value, types.ModuleType)
    return default if is_code and isinstance(plugin, types.ModuleType) else value


def _shown(value: object) -> str:
    """A method's own text has its address, and nothing that helps."""
    is_method = inspect.isroutine(value) or isinstance(value, property)
    return f"a {'property' if isinstance(value, property) else 'method'}" if is_method else repr(value)
