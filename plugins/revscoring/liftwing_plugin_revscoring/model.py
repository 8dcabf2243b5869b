"""The model's hooks: ask MediaWiki, compute the features, score, tell the score, and the event that follows."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from liftwing_host import ConfigurationError, InferenceError, Model, ModelConfig, Request

from .demo_revisions import DemoRevisions
from .documents import Documents, fetch_documents
from .events import label, revision_score
from .extraction import Extraction, Values
from .mediawiki import MediaWiki
from .model_file import find_model, read_model
from .query import Query
from .settings import RevscoringSettings
from .unpickling import unpickle

__all__ = ["Features", "Fetched", "RevscoringModel", "Scored"]

_logger = logging.getLogger("liftwing_plugin_revscoring")


@dataclass(frozen=True)
class Fetched:
    """What `fetch` found.

    Attributes:
        query: The client's question.
        documents: MediaWiki's answers.
    """

    query: Query
    documents: Documents


@dataclass(frozen=True)
class Features:
    """What the model is asked.

    Attributes:
        query: The client's question.
        values: The values of the features.
    """

    query: Query
    values: Values


@dataclass(frozen=True)
class Scored:
    """What the model answered.

    Attributes:
        query: The client's question.
        score: The `prediction` and, by label, the `probability`; with the labels as text.
        features: The values of the basic features by name, where the client asked for them.
    """

    query: Query
    score: dict[str, Any]
    features: dict[str, Any] | None


class RevscoringModel(Model):
    """Scores a revision of a wiki with a model of the library revscoring.

    One class for all kinds of models: what a model needs to know and what it tells is in its file. The name of a
    model, such as `zh-min-nan-goodfaith`, is the wiki's and, after the last dash, the model's.
    """

    settings: RevscoringSettings
    example: ClassVar[Any] = {"rev_id": 12345}

    def load(self, config: ModelConfig) -> None:
        """Load the model file, and the demo's revisions if they are to be used."""
        self._wiki_db, _, self._kind = config.name.rpartition("-")
        if self.settings.wiki_url is None and not config.demo:
            raise ConfigurationError(
                "The environment variable WIKI_URL is not set. Please set it before running the server. "
                f"(Or set wiki_url in [models.{config.name}]: where MediaWiki is asked for revisions, "
                "such as https://en.wikipedia.org .)"
            )
        path = find_model(config, self.settings)
        # The demo's own file is not the one that the operator gave the checksum of.
        sha256 = None if config.demo else self.settings.sha256
        self._model, made_with = unpickle(read_model(path, sha256), path)
        self._version = str(self._model.version)
        self._extraction = Extraction(self._model.features, config.name)
        self._wiki = MediaWiki(self.settings)
        self._demo = DemoRevisions.load() if self.settings.wiki_url is None else None
        _logger.info(
            "loaded %s, version %s, of %d features, from %s%s",
            config.name, self._version, len(self._model.features), path,
            f", made with {made_with}" if made_with else "",
        )  # fmt: skip

    async def start(self) -> None:
        """Open the HTTP session of this process."""
        await self._wiki.open()

    async def stop(self) -> None:
        """Close the HTTP session of this process."""
        await self._wiki.close()

    async def fetch(self, payload: Any, request: Request) -> Fetched:
        """Read the question, and ask MediaWiki for what the features are made of."""
        if self.settings.log_json_payload:
            _logger.info("request %s: payload %s", request.id, json.dumps(payload))
        query = Query.parse(payload)
        if self._demo is not None:
            return Fetched(query, self._demo.documents(query.rev_id))
        documents = await fetch_documents(self._wiki, query.rev_id, self._extraction.needs, request)
        return Fetched(query, documents)

    def preprocess(self, payload: Fetched) -> Features:
        """Compute the features."""
        query = payload.query
        return Features(
            query, self._extraction.values(payload.documents, query.rev_id, extended=query.extended_output)
        )

    def predict(self, features: Features) -> Scored:
        """Score the revision."""
        try:
            score = self._model.score(features.values.features)
        except Exception as error:
            _logger.exception("%s cannot score revision %d", self.name, features.query.rev_id)
            raise InferenceError(
                "An error happened while scoring the revision-id, please contact the ML-Team if the issue persists."
            ) from error
        told = dict(score)
        if "probability" in told:
            told["probability"] = {label(key): value for key, value in told["probability"].items()}
        return Scored(features.query, told, features.values.told)

    def postprocess(self, prediction: Scored) -> dict[str, Any]:
        """Tell the score in the form of ORES, with the values of the features where they were asked for."""
        answer: dict[str, Any] = {"score": prediction.score}
        if prediction.features is not None:
            answer["features"] = prediction.features
        return {
            self._wiki_db: {
                "models": {self._kind: {"version": self._model.version}},
                "scores": {str(prediction.query.rev_id): {self._kind: answer}},
            }
        }

    def event(self, prediction: Scored) -> dict[str, Any] | None:
        """The event that tells the score, where an event asked for it."""
        source, stream = prediction.query.event, self.settings.eventgate_stream
        if source is None or stream is None:
            return None
        return revision_score(source, prediction.score, stream=stream, name=self._kind, version=self._version)
