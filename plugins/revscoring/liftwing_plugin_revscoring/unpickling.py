"""From the bytes of a model file to a revscoring model that scores here, or to a message that says why not.

This is what `revscoring.Model.load` does, which is to unpickle, without its twenty lines of log on every difference
between two machines; and what models of older versions need to score with the ones that are installed.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import platform
import re
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import revscoring

from liftwing_host import ConfigurationError

from .missing_parts import advice

__all__ = ["unpickle"]

_ORIGINS = {
    "_sklearn_version": "scikit-learn",
    "revscoring_version": "revscoring",
    "python_version": "Python",
}
"""Where a pickle tells what it was made with: the key that stands before the version, and whose version it is."""

_SKLEARN_WARNING = re.compile(r"Trying to unpickle estimator .* from version (\S+) when")
_VERSION = re.compile(r"\d+(\.\d+)+\S*")


def unpickle(content: bytes, path: Path) -> tuple[Any, str]:
    """Load a model. This runs whatever code the pickle asks for.

    Args:
        content: The pickle.
        path: The file that it came from, for messages.

    Returns:
        The model, and what it was made with, for the log.

    Raises:
        ConfigurationError: It is no model, or needs what is not installed; the message says what to do.
    """
    with warnings.catch_warnings(record=True) as warned:
        # scikit-learn warns of another version once for each tree; `_adapt` is the answer to that.
        warnings.simplefilter("always")
        try:
            model = pickle.loads(content)  # noqa: S301 - what revscoring models are; see the README
            _adapt(model)
            _try(model)
        except Exception as error:
            raise _not_loaded(error, content, path) from error
    return model, _told(_origins(model, [str(warning.message) for warning in warned]))


def _adapt(model: Any) -> None:
    """Make a model of an older scikit-learn score with this one."""
    if not isinstance(model, revscoring.Model):
        raise TypeError(f"it holds a {type(model).__name__}, not a revscoring model")
    for estimator in _estimators(model):
        state = vars(estimator)
        # The loss of gradient boosting was called `loss_` up to scikit-learn 1.0.
        if "loss_" in state and "_loss" not in state:
            state["_loss"] = state["loss_"]
        # A worker has one thread; more would only be started and stopped for each request.
        if "n_jobs" in state:
            state["n_jobs"] = 1


def _estimators(model: Any) -> Iterator[Any]:
    """The estimators of scikit-learn: one, or one for each label."""
    if getattr(model, "estimator", None) is not None:
        yield model.estimator
    for _, estimator in getattr(model, "estimators", ()):
        yield estimator


def _try(model: Any) -> None:
    """Score an edit of zeros, so that a model that cannot score is told of now, and not by the first client."""
    # How long a vector is stands nowhere.
    if not any(isinstance(feature, revscoring.FeatureVector) for feature in model.features):
        model.score([feature.returns() for feature in model.features])


def _not_loaded(error: Exception, content: bytes, path: Path) -> ConfigurationError:
    told = f"{path} cannot be loaded as a revscoring model: {type(error).__name__}: {error}".rstrip(".")
    made = _told(_scan(content))
    if made:
        told += f". It was made with {made}; here is {_told(_installed())}"
    return ConfigurationError(f"{told}. {advice(error)}".rstrip())


def _told(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _installed() -> dict[str, str]:
    return {
        "scikit-learn": metadata.version("scikit-learn"),
        "revscoring": metadata.version("revscoring"),
        "Python": platform.python_version(),
    }


def _origins(model: Any, warned: list[str]) -> dict[str, str]:
    """What a model was made with: as revscoring wrote it down, and as scikit-learn warns where it differs."""
    environment = model.info.get("environment") or {}
    found = {name: str(environment[key]) for key, name in _ORIGINS.items() if environment.get(key)}
    differing = next(filter(None, map(_SKLEARN_WARNING.search, warned)), None)
    return found if differing is None else {"scikit-learn": differing[1], **found}


def _scan(content: bytes) -> dict[str, str]:
    """What a pickle says that it was made with, found without running any of it: the text after each key."""
    found: dict[str, str] = {}
    last = ""
    # It may be anything, and what is wrong with it has been told already.
    with contextlib.suppress(Exception):
        for _, argument, _ in pickletools.genops(content):
            if isinstance(argument, str):
                if last in _ORIGINS and _VERSION.fullmatch(argument):
                    found.setdefault(_ORIGINS[last], argument)
                last = argument
    return {name: found[name] for name in _ORIGINS.values() if name in found}
