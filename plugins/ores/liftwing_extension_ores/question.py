"""What a client of ORES asks, parsed once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from liftwing_host.extension import RouteRequest

from .refusal import models_not_available, no_scorers, not_supported, unreadable
from .served import ALIASES, contexts

__all__ = ["Question", "refuse_what_is_gone"]

_GONE = ("model_info", "inject", "callback")
_REVISION = re.compile(r"[0-9]{1,19}")
_LARGEST_REVISION = 2**63 - 1
# What Python's `distutils.util.strtobool` took, which ores-legacy reads the parameter with.
_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")


@dataclass(frozen=True)
class Question:
    """Some models' scores of some revisions of one wiki.

    Attributes:
        context: The wiki, by the name of its database.
        models: The models, as the client calls them, each once.
        revisions: The revisions, each once; with none of them, the client asks which models there are.
        features: Whether the features that the scores come from are wanted, too.
    """

    context: str
    models: tuple[str, ...]
    revisions: tuple[int, ...]
    features: bool = False

    @classmethod
    def parse(cls, request: RouteRequest, names: Iterable[str]) -> Question:
        """Read a request.

        Args:
            request: The request; its arguments are `context`, and `revision` and `model` where its URL has them.
            names: The names of the models that the host serves.

        Raises:
            Refusal: It cannot be answered.
        """
        refuse_what_is_gone(request.query)
        # A name in the path is one name, whatever is in it: only the query's are counted against the limit.
        in_path, query = request.arguments, request.query
        asked = [in_path["model"]] if "model" in in_path else _listed(query, "models")
        models = _models(in_path["context"], asked, names)
        revisions = [in_path["revision"]] if "revision" in in_path else _listed(query, "revids")
        return cls(in_path["context"], models, _revisions(revisions), _features(query))

    @property
    def size(self) -> int:
        """How many scores that are."""
        return len(self.models) * len(self.revisions)


def refuse_what_is_gone(query: Mapping[str, Sequence[str]]) -> None:
    """Do not answer as if a parameter had been kept to.

    Raises:
        Refusal: The query has a parameter that ORES had and Lift Wing has not.
    """
    for parameter in _GONE:
        if parameter in query:
            raise not_supported(parameter)


def _listed(query: Mapping[str, Sequence[str]], name: str) -> list[str]:
    text = query[name][-1] if name in query else ""
    return text.split("|") if text else []


def _models(context: str, asked: list[str], names: Iterable[str]) -> tuple[str, ...]:
    served = contexts(names).get(context)
    if served is None:
        raise no_scorers(context)
    if not asked:
        return tuple(served)
    for model in asked:
        if ALIASES.get(model, model) not in served:
            raise models_not_available(context, model)
    return tuple(dict.fromkeys(asked))


def _revisions(revisions: list[str]) -> tuple[int, ...]:
    if not all(_REVISION.fullmatch(each) and int(each) <= _LARGEST_REVISION for each in revisions):
        raise unreadable("revids", 'whole numbers, joined by "|"')
    return tuple(dict.fromkeys(int(each) for each in revisions))


def _features(query: Mapping[str, Sequence[str]]) -> bool:
    if "features" not in query:
        return False
    value = query["features"][-1].lower()
    # ORES took `?features` alone for a yes.
    if value == "" or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise unreadable("features", "true or false")
