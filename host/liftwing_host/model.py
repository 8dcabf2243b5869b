"""The class style of writing a model, and what a model is told when it is loaded."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

from .errors import ConfigurationError, ModelFileMissing
from .hookspecs import HOOKS, hookimpl
from .published import PublishedFile

__all__ = ["Model", "ModelConfig"]

_LOOKS_LIKE = 0.9
_OTHER_WORDS = {
    "preprocessing": "preprocess",
    "postprocessing": "postprocess",
    "batchpredict": "predict_batch",
}


@dataclass(frozen=True)
class ModelConfig:
    """What the host tells a model when it is loaded.

    Attributes:
        name: The model's name, also in the URL unless the operator gave it another there. A family's class serves
            several.
        settings: The plugin's declared settings, read and checked: an instance of the dataclass that the
            annotation ``settings`` of the class (or module) names.
        demo: The operator asked for the demo (`--demo`): ship a small model, ask no other service.
        downloads: The folder into which ``liftwing-host download NAME`` puts the model's published files.
        mounted: The folder into which KServe's storage initializer puts them.
        role: Which hooks run here: ``all``; ``transformer``: all but `predict`, which another host runs, so that
            `load` need not load what only `predict` needs; ``predictor``: `predict` alone.
        files: The published files that the plugin declares (`Model.files`).
    """

    name: str
    settings: Any = field(default_factory=SimpleNamespace)
    demo: bool = False
    downloads: Path = Path()
    mounted: Path = Path("/mnt/models")
    role: Literal["all", "transformer", "predictor"] = "all"
    files: tuple[PublishedFile, ...] = ()

    def find_file(self, *names: str, path: Path | None = None, advice: str = "") -> Path:
        """The model's file: the one that the operator named, or the first that is there of the usual places.

        These are the model's own folder among the mounted ones (`/mnt/models/NAME`), which is how Lift Wing mounts
        several models, then `/mnt/models` itself, then the downloads.

        Args:
            names: The names that the file may have, the best first.
            path: What the operator named; then no other place is looked at.
            advice: What the operator can do where there is none: the end of the message. Where it is left out, and one
                of the names is that of a published file, the message says how to download that.

        Raises:
            ModelFileMissing: There is none. The message says where it was looked for.
            ConfigurationError: A place cannot be looked at.
        """
        folders = (self.mounted / self.name, self.mounted, self.downloads)
        places = [folder / name for folder in folders for name in names] if path is None else [path]
        for place in places:
            try:
                if place.is_file():
                    return place
            except PermissionError as error:
                raise ConfigurationError(f"{place} cannot be looked at: {error.strerror}.") from error
        if path is None and not advice and any(file.name in names for file in self.files):
            advice = f"`liftwing-host download {self.name}` fetches it."
        raise ModelFileMissing(
            f"There is no model file at {' or '.join(map(str, places))}. {advice}".rstrip()
        )


class Model:
    """A model as a class: override `predict`, and what else of the hooks it needs.

    The hooks, their arguments and the processes that they run in are described in `liftwing_host.hookspecs`.
    Overridden hooks are marked for pluggy by themselves; no decorator is needed.

    Settings are declared by annotating ``settings`` with a frozen dataclass of `setting` fields::

        class Readability(Model):
            settings: ReadabilitySettings

    Attributes:
        name: The name in the URL.
        config: What the host said.
        settings: `config.settings`.
        files: The published files that ``liftwing-host download`` fetches.
        example: A payload that a newcomer can try; the start-up report shows it.
        idempotent: Whether a request may be run once more when the worker that ran it died.
        max_batch_size: The most requests that `predict_batch` gets at once, where there is one.
        accepts_raw: Whether the payload is the request's body as bytes, instead of decoded JSON.
        fork_safe: Whether workers may be forked after `load`. False makes each worker load for itself.
    """

    files: ClassVar[tuple[PublishedFile, ...]] = ()
    example: ClassVar[Any] = None
    idempotent: ClassVar[bool] = True
    max_batch_size: ClassVar[int] = 32
    accepts_raw: ClassVar[bool] = False
    fork_safe: ClassVar[bool] = True

    settings: Any

    def __init__(self, config: ModelConfig) -> None:
        self.name = config.name
        self.config = config
        self.settings = config.settings

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in HOOKS:
            # Of a class beside `Model`, such as a mixin, nobody has marked the hooks yet.
            value = inspect.getattr_static(cls, name, None)
            if value is not None:
                hookimpl(_plain_function(cls, name, value))
        for name, value in list(vars(cls).items()):
            # A classmethod object cannot be called itself.
            is_method = callable(value) or isinstance(value, classmethod)
            if is_method and name not in HOOKS and not name.startswith("_") and not isinstance(value, type):
                _reject_misspelt(cls, name)


def _plain_function(cls: type, name: str, value: Any) -> Callable[..., Any]:
    if isinstance(value, staticmethod | classmethod):
        raise TypeError(f"{cls.__name__}.{name}: a hook must be a plain method, not a {type(value).__name__}")
    if not inspect.isroutine(value) or not hasattr(value, "__dict__"):
        # pluggy would pass it over without a word, and what has no __dict__ cannot be marked.
        shown = "class" if isinstance(value, type) else type(value).__name__
        raise TypeError(
            f"{cls.__name__}.{name}: a hook must be a method (def {name}(self, …)), and not a {shown}"
        )
    function: Callable[..., Any] = value
    return function


def _reject_misspelt(cls: type, name: str) -> None:
    """A hook under a wrong name would never run, and nobody would say so."""
    bare = name.replace("_", "").lower()
    meant = difflib.get_close_matches(_OTHER_WORDS.get(bare, bare), HOOKS, n=1, cutoff=_LOOKS_LIKE)
    if meant:
        raise TypeError(
            f"{cls.__name__}.{name} is not a hook; did you mean {meant[0]}? "
            f"(If it is a method of your own, start its name with an underscore.)"
        )
