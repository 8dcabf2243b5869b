"""The values of a model's features, computed from documents that are at hand, without asking anybody.

revscoring's `api.Extractor` asks MediaWiki for whatever its cache does not hold, and waits for the answer. Here
all of it was fetched before; what was not is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from revscoring.dependencies import dig
from revscoring.errors import CaughtDependencyError, DependencyError, MissingResource, UnexpectedContentType
from revscoring.extractors.api import Extractor, MWAPICache
from revscoring.features import trim

from liftwing_host import ConfigurationError, InvalidInput

from .documents import Documents, Needs
from .mediawiki import FeaturesUnavailable

__all__ = ["Extraction", "Values"]

_logger = logging.getLogger("liftwing_plugin_revscoring")

_NEVER_THERE = ("revision.user.last_revision.", "revision.page.creation.", "revision.user.info.emailable")


@dataclass(frozen=True)
class Values:
    """What was computed for one revision.

    Attributes:
        features: The value of each feature that the model takes, in its order.
        told: The value of each basic feature by name, for clients that ask for it; else None.
    """

    features: list[Any]
    told: dict[str, Any] | None


class _NotFetched(DependencyError):  # type: ignore[misc]  # revscoring has no types
    """The features ask for a document that was not fetched."""


class _Offline:
    """In the place of `mwapi.Session`."""

    def get(self, **parameters: Any) -> NoReturn:
        raise _NotFetched(f"not fetched: {parameters}")


class Extraction:
    """The computation of one model's features.

    Args:
        features: The model's features, of revscoring.
        name: The model's name, for messages.

    Attributes:
        needs: The documents that the features are made of.

    Raises:
        ConfigurationError: The features are made of what revscoring's extractor cannot give.
    """

    def __init__(self, features: Iterable[Any], name: str) -> None:
        self._features = tuple(features)
        self._told = tuple(trim(self._features))
        roots = sorted(root.name for root in dig(self._features))
        impossible = [root for root in roots if root.startswith(_NEVER_THERE)]
        if impossible:
            raise ConfigurationError(
                f"{name} cannot be served: its features are made of {', '.join(impossible)}, "
                f"which revscoring's extractor does not fetch."
            )
        self.needs = Needs(
            # The parent's id alone stands in the revision itself.
            parent=any(
                root.startswith("revision.parent.") and root != "revision.parent.id" for root in roots
            ),
            user=any(root.startswith("revision.user.info.") for root in roots),
            suggestions=any(root.startswith("revision.page.suggestions.") for root in roots),
        )

    def values(self, documents: Documents, rev_id: int, *, extended: bool) -> Values:
        """Compute the features of a revision, each of them once.

        Args:
            documents: What `needs` names.
            rev_id: The revision.
            extended: Whether the basic features are told by name. They are parts of the model's features, so
                that their values are there by then.

        Raises:
            InvalidInput: The revision is not one that the features can be computed for.
            FeaturesUnavailable: A document is missing.
        """
        extractor = Extractor(_Offline(), http_cache=_cache(documents, rev_id))
        solved: dict[Any, Any] = {}
        try:
            features = list(extractor.extract(rev_id, self._features, cache=solved))
            told = dict(self._named(extractor, rev_id, solved)) if extended else None
        except MissingResource as error:
            raise InvalidInput(f"Missing resource for rev-id {rev_id}: {error}") from error
        except UnexpectedContentType as error:
            raise InvalidInput(f"Unexpected content type for rev-id {rev_id}: {error}") from error
        except _NotFetched as error:
            _logger.error("revision %d: %s", rev_id, error.message)
            raise FeaturesUnavailable from error
        except Exception as error:
            _logger.exception("revision %d: the features cannot be computed", rev_id)
            raise InvalidInput(
                f"Generic error while extracting features for rev-id {rev_id}: {_cause(error)}"
            ) from error
        return Values(features, told)

    def _named(self, extractor: Extractor, rev_id: int, solved: dict[Any, Any]) -> Iterable[tuple[str, Any]]:
        values = extractor.extract(rev_id, self._told, cache=solved)
        return ((str(feature), value) for feature, value in zip(self._told, values, strict=True))


def _cache(documents: Documents, rev_id: int) -> MWAPICache:
    cache = MWAPICache()
    cache.add_revisions_batch_doc([rev_id], documents.revision)
    if documents.parent is not None:
        parent_id, parent = documents.parent
        cache.add_revisions_batch_doc([parent_id], parent)
    if documents.user is not None:
        name, user = documents.user
        cache.add_users_batch_doc([name], user)
    if documents.suggestions is not None:
        cache.add_wbsgetsuggestions_doc(*documents.suggestions)
    return cache


def _cause(error: Exception) -> str:
    """As Lift Wing tells it, but for the traceback, which revscoring has in the text of its error."""
    if isinstance(error, CaughtDependencyError):
        return f"{type(error.exception).__name__}: {error.message}"
    return f"{type(error).__name__}: {error}"
