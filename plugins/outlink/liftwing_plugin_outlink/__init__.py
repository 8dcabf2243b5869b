"""Topics of a Wikipedia article, predicted from the Wikidata items of the articles that it links to."""

from __future__ import annotations

from .model import OutlinkTopicModel

__all__ = ["OutlinkTopicModel"]
