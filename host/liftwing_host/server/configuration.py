"""What the operator wants: flags over environment over one TOML file, checked, as `Settings`.

The only reader of the host's environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..setting import HOST_KEYS, read_settings
from .plugin_names import normalized
from .settings import HostSettings, ModelSettings, PluginSettings, Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["misspelt_variables", "read"]

_NO_SETTINGS = ("LIFTWING_MODELS", "LIFTWING_CONFIG", "LIFTWING_EVENTS")
_LOOKS_LIKE = 0.9
"""Far enough for what Kubernetes sets for a Service, such as LIFTWING_SERVICE_PORT, not to look like ours."""


def read(flags: Mapping[str, Any], models: tuple[str, ...] = (), config: Path | None = None) -> Settings:
    """Put flags, environment and TOML file together.

    Args:
        flags: What was given on the command line, by the names of `HostSettings`.
        models: The names given with ``--model``.
        config: The TOML file; the variable LIFTWING_CONFIG names it where this is None.

    Raises:
        ConfigurationError: Names the file, key or variable, the value, and what is allowed.
    """
    if config is None and os.environ.get("LIFTWING_CONFIG"):
        config = Path(os.environ["LIFTWING_CONFIG"])
    table = dict(_parse(config)) if config else {}
    where = str(config) if config else "the command line"
    model_tables = _tables(table, "models", where)
    plugin_tables = _tables(table, "plugins", where)
    from_variable = tuple(filter(None, os.environ.get("LIFTWING_MODELS", "").replace(",", " ").split()))
    own, rest = _split_model_tables(model_tables, where)
    host = _host_settings(flags, table, where)
    named = models or from_variable
    if not named and host.model_name:
        named, host = (host.model_name,), dataclasses.replace(host, model_name=None)
    return Settings(
        host=host,
        models=tuple(dict.fromkeys(named or model_tables)),
        model_settings=own,
        model_tables=rest,
        plugin_settings=_plugin_settings(plugin_tables, where),
    )


def _plugin_settings(tables: Mapping[str, dict[str, Any]], where: str) -> dict[str, PluginSettings]:
    found: dict[str, PluginSettings] = {}
    for name, keys in tables.items():
        if normalized(name) in found:
            raise ConfigurationError(
                f"{where}: [plugins.{name}] and another table name the same plugin; keep one."
            )
        table = f"{where}: [plugins.{name}]"
        found[normalized(name)] = read_settings(PluginSettings, table=keys, where=table)
    return found


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            table: dict[str, Any] = tomllib.load(file)
            return table
    except OSError as error:
        raise ConfigurationError(f"Cannot read the configuration file {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}.") from None


def _tables(table: dict[str, Any], key: str, where: str) -> dict[str, dict[str, Any]]:
    tables = table.pop(key, {})
    if not isinstance(tables, dict) or not all(isinstance(value, dict) for value in tables.values()):
        raise ConfigurationError(f"{where}: {key} must be a table of tables, such as [{key}.NAME].")
    return tables


def _host_settings(flags: Mapping[str, Any], table: Mapping[str, Any], where: str) -> HostSettings:
    """`read_settings` lets a table win over the environment, which is right for plugins; here flags and the
    environment win over the file."""
    from_file = read_settings(HostSettings, table=table, where=where, others=("models", "plugins"))
    environ = _own_environment()
    from_environment = read_settings(HostSettings, environ=environ)
    given = {name: value for name, value in flags.items() if value is not None}
    checked = read_settings(HostSettings, table=given, where="flag")
    chosen = {}
    for field in dataclasses.fields(HostSettings):
        if field.name in given:
            chosen[field.name] = getattr(checked, field.name)
        elif environ.get(field.metadata["env"]):
            chosen[field.name] = getattr(from_environment, field.name)
    return dataclasses.replace(from_file, **chosen)


def misspelt_variables() -> dict[str, str]:
    """The variables that are none of the host's and look like one that is, each with that one.

    They are no errors, as a misspelt key is: a plugin, or Kubernetes, may call a variable of its own `LIFTWING_…`.
    """
    known = [*_NO_SETTINGS, *(field.metadata["env"] for field in dataclasses.fields(HostSettings))]
    unknown = [name for name in _own_environment() if name.startswith("LIFTWING_") and name not in known]
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=_LOOKS_LIKE) for name in unknown}
    return {name: found[0] for name, found in near.items() if found}


def _own_environment() -> dict[str, str]:
    """The environment, without what Kubernetes puts there for a Service that is called `liftwing`.

    Its LIFTWING_PORT is ``tcp://ADDRESS:PORT``, which is meant for nobody here.
    """
    return {name: value for name, value in os.environ.items() if not value.startswith("tcp://")}


def _split_model_tables(
    tables: Mapping[str, dict[str, Any]], where: str
) -> tuple[dict[str, ModelSettings], dict[str, dict[str, Any]]]:
    """The host's keys of each ``[models.NAME]``, and what is left for the plugin."""
    # Lift Wing's switches may be spelt as there, as at the top of the file.
    ours = {*HOST_KEYS, "ASYNCIO_USE_PROCESS_POOL", "PREPROCESS_MP", "INFERENCE_MP"}
    own, rest = {}, {}
    for name, keys in tables.items():
        mine = {key: value for key, value in keys.items() if key in ours}
        own[name] = read_settings(ModelSettings, table=mine, where=f"{where}: [models.{name}]")
        rest[name] = {key: value for key, value in keys.items() if key not in ours}
    return own, rest
