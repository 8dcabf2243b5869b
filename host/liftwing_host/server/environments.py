"""Plugins in environments of their own: what another interpreter's environment holds, and making such environments.

The other interpreter is asked for its metadata alone; no plugin is imported there either.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .discovery import FAMILIES, MODELS, Catalogue, Offer, discover
from .plugin_names import PREFIX, names_of

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["discover_all", "install_isolated", "isolated_offers", "offers_of"]

log = logging.getLogger("liftwing_host.environments")

_ANSWERS_WITHIN = 60.0
"""Seconds; an interpreter on a slow disk may take some."""

# Runs in the other interpreter: standard library alone, Python 3.10 or newer.
_ASK = """
import json, sys
from importlib import metadata
found = []
for group in sys.argv[1:]:
    for point in metadata.entry_points(group=group):
        dist = point.dist
        found.append([group, point.name, point.value, dist.metadata["Name"], dist.version])
print(json.dumps(found))
"""


def discover_all(settings: Settings) -> Catalogue:
    """Everything that can be served: what is installed here, isolated, and where the configuration says.

    Raises:
        ConfigurationError: An interpreter that the configuration names cannot be run, or does not hold the plugin.
    """
    chosen = {name: own.python for name, own in settings.plugin_settings.items() if own.python is not None}
    elsewhere = offers_of(chosen)
    named = {offer.distribution for offer in elsewhere}
    isolated = isolated_offers(settings.host.environments)
    return discover([*elsewhere, *(offer for offer in isolated if offer.distribution not in named)])


def offers_of(pythons: Mapping[str, Path]) -> list[Offer]:
    """What plugins offer that are installed in environments of their own.

    Args:
        pythons: The interpreter of each plugin, by one of its names.

    Raises:
        ConfigurationError: An interpreter cannot be run, or its environment does not hold the plugin.
    """
    offers = []
    for name, python in pythons.items():
        found = [offer for offer in _ask(python) if name in names_of(offer.distribution)]
        if not found:
            full = PREFIX + name.removeprefix(PREFIX)
            raise ConfigurationError(
                f"The environment of {python} does not hold {full}. Install it there: {python} -m pip install {full}"
                + (f" (or {name}, if that is its whole name)" if name != full else "")
            )
        offers += found
    return offers


def isolated_offers(folder: Path) -> list[Offer]:
    """What plugins offer that `install_isolated` has put into environments of their own.

    An environment that is broken, such as by an upgrade of the Python that it was made with, is left out with a warning.
    """
    offers: list[Offer] = []
    for home in sorted(folder.glob("[!.]*")) if folder.is_dir() else []:
        try:
            offers += _ask(home / "bin" / "python")
        except ConfigurationError as error:
            log.warning("%s Its plugin is left out: install it anew, or remove %s.", error.message, home)
    return offers


def install_isolated(requirement: str, folder: Path, pip_arguments: Sequence[str]) -> list[Offer]:
    """Make an environment that holds a plugin and nothing else; others that hold the same plugin are removed.

    Args:
        requirement: What pip is to install: a name, or a path.
        folder: Where the environments are.
        pip_arguments: Further arguments for pip.

    Returns:
        What the plugin offers.

    Raises:
        ConfigurationError: It cannot be installed, or is no plugin.
    """
    # It begins as names of distributions do; ".." would be the folder of somebody else.
    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", Path(requirement).name)
    if name is None:
        raise ConfigurationError(f"{requirement!r} is neither the name of a distribution nor a path.")
    home = folder / name.group()
    # An environment cannot be moved, so the one that may be there is put aside, and back where this fails.
    aside = home.with_name(f".{home.name}.before")
    shutil.rmtree(aside, ignore_errors=True)
    if home.exists():
        home.rename(aside)
    try:
        offers = _install(requirement, home, pip_arguments)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        if aside.exists():
            aside.rename(home)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    _remove_others({offer.distribution for offer in offers}, home)
    return offers


def _remove_others(distributions: set[str], home: Path) -> None:
    """What was installed by another name, such as that of another version's wheel, brings the same models."""
    for offer in isolated_offers(home.parent):
        assert offer.python is not None
        other = Path(offer.python).parent.parent
        if offer.distribution in distributions and other != home:
            shutil.rmtree(other, ignore_errors=True)


def _install(requirement: str, home: Path, pip_arguments: Sequence[str]) -> list[Offer]:
    _run([sys.executable, "-m", "venv", "--clear", str(home)])
    python = home / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    _run([*pip, *pip_arguments, requirement])
    offers = list(_ask(python))
    if not offers:
        raise ConfigurationError(f"{requirement} was installed, but brings no model: it is no plugin.")
    return offers


def _ask(python: Path) -> Iterable[Offer]:
    try:
        asked = subprocess.run(  # noqa: S603 - the interpreter is the operator's choice
            [str(python), "-I", "-c", _ASK, MODELS, FAMILIES],
            capture_output=True,
            text=True,
            check=True,
            timeout=_ANSWERS_WITHIN,
        )
        told = json.loads(asked.stdout)
    except OSError as error:
        raise ConfigurationError(f"Cannot run the interpreter {python}: {error.strerror}.") from None
    except subprocess.CalledProcessError as error:
        raise ConfigurationError(f"{python} does not tell what it holds: {error.stderr.strip()}") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{python} does not tell what it holds: it does not answer within {_ANSWERS_WITHIN:g} s."
        ) from None
    except ValueError:
        # Something in it prints at its start, such as a sitecustomize.
        raise ConfigurationError(
            f"{python} does not tell what it holds: it prints {asked.stdout[:200]!r}."
        ) from None
    for group, name, entry_point, distribution, version in told:
        yield Offer(name, group == FAMILIES, entry_point, distribution, version, str(python))


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False)  # noqa: S603
    if done.returncode:
        raise ConfigurationError(f"`{' '.join(command)}` failed with status {done.returncode}; see above.")
