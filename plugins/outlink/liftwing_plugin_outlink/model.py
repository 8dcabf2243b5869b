"""The model's hooks: ask MediaWiki, join the items, ask fastText, tell the topics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from liftwing_host import Model, ModelConfig, PublishedFile, Request

from .demo_articles import DemoArticles
from .features import Features
from .mediawiki import MediaWiki
from .outlinks import outlinks
from .prediction import Prediction
from .prediction_event import prediction_event
from .query import Query
from .settings import OutlinkSettings
from .weights import PUBLISHED, load_weights

__all__ = ["OutlinkTopicModel", "Outlinks"]

_logger = logging.getLogger("liftwing_plugin_outlink")

_LABEL = "__label__"
_ALL = -1
_NO_VERSION = "unknown"


@dataclass(frozen=True)
class Outlinks:
    """What `fetch` found.

    Attributes:
        query: The client's question.
        items: The Wikidata items of the articles that the page links to; empty where the client sent them.
    """

    query: Query
    items: tuple[str, ...] = ()


class OutlinkTopicModel(Model):
    """Predicts the topics of a Wikipedia article from the articles that it links to."""

    settings: OutlinkSettings
    files: ClassVar[tuple[PublishedFile, ...]] = (PUBLISHED,)
    example: ClassVar[Any] = {"page_title": "Douglas_Adams", "lang": "en"}

    def load(self, config: ModelConfig) -> None:
        """Load fastText's model, and the demo's articles if they are to be used.

        A transformer needs no fastText, and a predictor no articles.
        """
        if config.role != "transformer":
            self._weights = load_weights(config, self.settings)
        self._wiki = MediaWiki(self.settings)
        asks_nobody = config.demo and self.settings.wiki_url is None and config.role != "predictor"
        self._demo = DemoArticles.load() if asks_nobody else None
        if self.settings.eventgate_stream is not None and self.settings.model_version is None:
            _logger.warning("EVENTGATE_STREAM is set, and MODEL_VERSION is not: events say %r", _NO_VERSION)
        loaded = (
            "no fastText model: the predictor has it" if config.role == "transformer" else "fastText's model"
        )
        version = self.settings.model_version or "not told"
        _logger.info("role %s, version %s; loaded %s", config.role, version, loaded)

    async def start(self) -> None:
        """Open the HTTP session of this process."""
        await self._wiki.open()

    async def stop(self) -> None:
        """Close the HTTP session of this process."""
        await self._wiki.close()

    async def fetch(self, payload: Any, request: Request) -> Outlinks:
        """Read the question, and ask MediaWiki which articles the page links to."""
        query = Query.parse(payload)
        if query.features is not None:
            return Outlinks(query)
        if self._demo is not None:
            return Outlinks(query, self._demo.outlinks(query))
        return Outlinks(query, await outlinks(self._wiki, query, request))

    def preprocess(self, payload: Outlinks) -> dict[str, Any]:
        """Join the items.

        They are sorted, so that the same links give the same text, and thus the same scores to the last
        digit, whichever query they came from and in whichever order.
        """
        text = payload.query.features
        if text is None:
            text = " ".join(sorted(payload.items))
        return Features(payload.query, text).as_json()

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """Ask fastText for the score of every topic."""
        asked = Features.read(features)
        labels, scores = self._weights.predict(asked.text, k=_ALL)
        topics = (label.removeprefix(_LABEL) for label in labels)
        # fastText adds a little to each probability, so that the highest come out above 1.
        clipped = (min(score, 1.0) for score in scores)
        told = tuple(zip(topics, clipped, strict=True))
        if asked.query.change is None:
            told = tuple((topic, score) for topic, score in told if score >= asked.query.threshold)
        return Prediction(asked.query, told).as_json()

    def postprocess(self, prediction: dict[str, Any]) -> dict[str, Any]:
        """Tell the topics that reach the threshold, highest score first, equal ones by name."""
        told = Prediction.read(prediction)
        query = told.query
        ranking = [(topic, score) for topic, score in told.ranking if score >= query.threshold]
        results = [{"topic": topic, "score": score} for topic, score in ranking]
        return {"prediction": {"article": query.article, "results": results}}

    def event(self, prediction: dict[str, Any]) -> dict[str, Any] | None:
        """Tell the topics of a page that an event of MediaWiki's named, if the operator has set a stream for it."""
        told = Prediction.read(prediction)
        query, stream = told.query, self.settings.eventgate_stream
        if query.change is None or stream is None:
            return None
        return prediction_event(
            query.change,
            told.ranking,
            threshold=query.threshold,
            stream=stream,
            model_version=self.settings.model_version or _NO_VERSION,
        )
