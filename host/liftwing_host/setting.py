"""A plugin's settings: declared once, typed, read from the TOML file or the environment, and checked.

::

    @dataclass(frozen=True)
    class ReadabilitySettings:
        weight: float = setting(0.5, minimum=0, help="how much a letter counts")
        wiki_url: str | None = setting(None, env="WIKI_URL", help="the wiki to ask")

    class Readability(Model):
        settings: ReadabilitySettings

A variable that every shell or container has, such as PATH for a field `path`, must be meant: `env` names it, or another.
A field may be a str, int, float, bool, `pathlib.Path` or one of `typing.Literal`, or any of these or None; one of another
type is refused, whether it is set or not.
A value in ``[models.NAME]`` of the TOML file (by the field's name or by its variable's) wins over
the environment, which wins over the default.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from .errors import ConfigurationError

__all__ = ["HOST_KEYS", "read_settings", "setting"]

HOST_KEYS = (
    "timeout",
    "queue_size",
    "expose_errors",
    "idempotent",
    "max_batch_size",
    "asyncio_use_process_pool",
    "preprocess_mp",
    "inference_mp",
    "role",
    "predictor_host",
    "predictor_protocol",
    "predictor_use_ssl",
    "predictor_request_timeout_seconds",
)
"""The host's own keys in ``[models.NAME]``, which no plugin's setting can have for its name."""

T = TypeVar("T")

_OF_THE_SYSTEM = (
    "DISPLAY", "EDITOR", "HOME", "HOST", "HOSTNAME", "LANG", "LANGUAGE", "LOGNAME", "MAIL", "OLDPWD", "PAGER", "PATH",
    "PWD", "SHELL", "SHLVL", "TEMP", "TERM", "TMP", "TMPDIR", "TZ", "USER", "USERNAME",
)  # fmt: skip
"""Variables that shells, logins and containers set, and mean something else by than a plugin would."""

_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    type(None): "nothing",
}
_TRUE = ("1", "true", "yes", "on", "y", "t")
_FALSE = ("0", "false", "no", "off", "n", "f")


def setting(
    default: Any = dataclasses.MISSING,
    *,
    env: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    help: str = "",
) -> Any:
    """Declare one setting: a dataclass field.

    Args:
        default: Its value where nobody sets it, of the field's type and within the limits. A setting without one is
            required.
        env: The environment variable that sets it; the field's name in capitals where left out. A field whose name in
            capitals is a variable of the system's, such as `path`, needs one.
        minimum: The least number allowed.
        maximum: The greatest number allowed.
        above: The number must be greater than this one.
        help: What it is for, in a few words, with its unit.
    """
    metadata = {"env": env, "minimum": minimum, "maximum": maximum, "above": above, "help": help}
    return dataclasses.field(default=default, metadata=metadata)


def read_settings(
    declared: type[T],
    *,
    table: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    where: str = "settings",
    others: Iterable[str] = (),
) -> T:
    """Read and check the settings that the dataclass `declared` declares.

    Args:
        declared: A dataclass whose fields are made by `setting`.
        table: The model's table of the TOML file. A key that was not declared is an error.
        environ: The environment. Variables that were not declared are ignored; an empty one counts as unset.
        where: How the table is called in messages, such as ``[models.readability]``.
        others: Further keys that may stand there and are read elsewhere; an unknown key may be one of them, misspelt.

    Raises:
        ConfigurationError: Names the key or variable, the value and what is allowed; or a field whose type no setting
            can have, whose variable is the system's, or whose default is not allowed.
    """
    table, environ = table or {}, environ or {}
    fields = _fields(declared)
    types_of = typing.get_type_hints(declared)
    _check_types(declared, {name: types_of[name] for name in fields})
    _check_variables(declared, fields)
    values = {
        name: _checked_default(field.default, types_of[name], field, declared)
        for name, field in fields.items()
        if field.default is not dataclasses.MISSING
    }
    given = _by_field(fields, table, where, others)
    for name, field in fields.items():
        variable = variable_of(field)
        if name in given:
            key, raw = given[name]
            values[name] = _checked(raw, types_of[name], field, f"{where} {key}", from_text=False)
        elif environ.get(variable, "") != "":
            values[name] = _checked(environ[variable], types_of[name], field, variable, from_text=True)
        elif field.default_factory is not dataclasses.MISSING:
            values[name] = _checked_default(field.default_factory(), types_of[name], field, declared)
        elif field.default is dataclasses.MISSING:
            wanted = _allowed(types_of[name], field)
            raise ConfigurationError(
                f"{variable} is not set. Set it in the environment, or {name} in {where}: {wanted}."
            )
    return declared(**values)


def variable_of(field: dataclasses.Field[Any]) -> str:
    """The environment variable that sets a field."""
    return str(field.metadata.get("env") or field.name.upper())


def _fields(declared: type) -> dict[str, dataclasses.Field[Any]]:
    """The settings; a field that the class computes is none."""
    return {field.name: field for field in dataclasses.fields(declared) if field.init}


def _check_types(declared: type, types_of: Mapping[str, Any]) -> None:
    for name, wanted in types_of.items():
        if not all(typing.get_origin(kind) is Literal or kind in _KINDS for kind in _alternatives(wanted)):
            told = wanted.__name__ if type(wanted) is type else wanted
            raise ConfigurationError(
                f"the setting {declared.__name__}.{name} is declared as {told}, and must be a str, int, float, bool, "
                f"Path or Literal, or one of these or None"
            )


def _check_variables(declared: type, fields: Mapping[str, dataclasses.Field[Any]]) -> None:
    """Nobody who calls a setting `path` or `lang` wants it to be $PATH or $LANG wherever the file does not set it."""
    for name, field in fields.items():
        if not field.metadata.get("env") and variable_of(field) in _OF_THE_SYSTEM:
            raise ConfigurationError(
                f"the setting {declared.__name__}.{name} would be read from {variable_of(field)}, which the system sets: "
                f'give it a variable of its own, setting(…, env="…_{variable_of(field)}")'
            )


def _by_field(
    fields: Mapping[str, dataclasses.Field[Any]], table: Mapping[str, Any], where: str, others: Iterable[str]
) -> dict[str, tuple[str, Any]]:
    spellings = {variable_of(field): name for name, field in fields.items()} | {name: name for name in fields}
    given: dict[str, tuple[str, Any]] = {}
    for key, value in table.items():
        if key not in spellings:
            raise ConfigurationError(f"{where}: unknown key {key!r}{_nearest(key, list(fields), others)}")
        if spellings[key] in given:
            other = given[spellings[key]][0]
            raise ConfigurationError(f"{where}: {key!r} and {other!r} are the same setting; keep one")
        given[spellings[key]] = (key, value)
    return given


def _nearest(key: str, names: list[str], others: Iterable[str]) -> str:
    close = difflib.get_close_matches(key.lower(), [*names, *others], n=1)
    if close:
        return f". Did you mean {close[0]!r}?"
    return f". Known keys: {', '.join(names)}." if names else ": the model declares no settings"


def _checked(raw: Any, wanted: Any, field: dataclasses.Field[Any], source: str, *, from_text: bool) -> Any:
    for kind in _alternatives(wanted):
        try:
            value = _converted(raw, kind, from_text=from_text)
        except ValueError:
            continue
        if _in_range(value, field.metadata):
            return value
    raise ConfigurationError(f"{source}={raw!r} is not allowed: expected {_allowed(wanted, field)}.")


def _checked_default(default: Any, wanted: Any, field: dataclasses.Field[Any], declared: type) -> Any:
    """A default as the field's type. The author may mean what an operator cannot set: None, infinity, a subclass."""
    if default is None and type(None) in _alternatives(wanted):
        return None
    for kind in _alternatives(wanted):
        try:
            value = _converted(default, kind, from_text=False)
        except ValueError:
            if (
                typing.get_origin(kind) is Literal
                or isinstance(default, bool)
                or not isinstance(default, kind)
            ):
                continue
            value = default
        if _in_range(value, field.metadata, finite=False):
            return value
    raise ConfigurationError(
        f"the setting {declared.__name__}.{field.name} has the default {default!r}, which is not allowed: expected "
        f"{_allowed(wanted, field)}{', or the type … | None' if default is None else ''}."
    )


def _alternatives(wanted: Any) -> tuple[Any, ...]:
    if typing.get_origin(wanted) in (Union, types.UnionType):
        return typing.get_args(wanted)
    return (wanted,)


def _converted(raw: Any, kind: Any, *, from_text: bool) -> Any:
    """`raw` as `kind`. Text of the environment is parsed; a value of the TOML file must have the type already."""
    if typing.get_origin(kind) is Literal:
        for choice in typing.get_args(kind):
            if raw == choice or (from_text and raw == str(choice)):
                return choice
        raise ValueError
    if kind is type(None):
        raise ValueError
    if kind is Path and isinstance(raw, str):
        return _expanded(raw)
    if from_text and kind is bool:
        return _bool_from_text(raw)
    if from_text and kind in (int, float):
        return kind(raw)
    if kind is float and type(raw) is int:
        return float(raw)
    if type(raw) is kind:
        return raw
    raise ValueError


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # "~name" of nobody here.
        raise ValueError from error


def _bool_from_text(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError


def _in_range(value: Any, metadata: Mapping[str, Any], *, finite: bool = True) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return True
    minimum, maximum, above = (metadata.get(bound) for bound in ("minimum", "maximum", "above"))
    return (
        (math.isfinite(value) or not finite)
        and (minimum is None or value >= minimum)
        and (maximum is None or value <= maximum)
        and (above is None or value > above)
    )


def _allowed(wanted: Any, field: dataclasses.Field[Any]) -> str:
    kinds = [_kind_name(kind) for kind in _alternatives(wanted) if kind is not type(None)]
    text = " or ".join(kinds)
    if field.metadata.get("minimum") is not None:
        text += f" of at least {field.metadata['minimum']}"
    if field.metadata.get("maximum") is not None:
        text += f" and at most {field.metadata['maximum']}"
    if field.metadata.get("above") is not None:
        text += f" greater than {field.metadata['above']}"
    if field.metadata.get("help"):
        text += f" ({field.metadata['help']})"
    return text


def _kind_name(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in typing.get_args(kind))
    return _KINDS[kind]
