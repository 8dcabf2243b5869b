"""What a plugin declares of its model: attributes of its class, or of its module, looked at before they are believed."""

from __future__ import annotations

import inspect
import types
from typing import Any, TypeVar

from ..errors import ConfigurationError
from ..published import PublishedFile

__all__ = ["declared_example", "declared_files", "declared_of_type"]

T = TypeVar("T")


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


def declared_of_type(plugin: object, name: str, default: T) -> T:
    """An attribute that must be of the default's type: True or False, or a whole number.

    Raises:
        ConfigurationError: It is of another type.
    """
    value = _declared(plugin, name, default)
    if type(value) is not type(default):
        wanted = "True or False" if isinstance(default, bool) else "a whole number"
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
