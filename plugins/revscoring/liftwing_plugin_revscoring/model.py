"""The model's hooks: ask MediaWiki, compute the features, score, tell the score, and the event that follows."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from liftwing_host import (
    ConfigurationError,
    InferenceError,
    InvalidInput,
    LiftwingError,
    Model,
    ModelConfig,
    Request,
)

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

    def as_json(self) -> dict[str, Any]:
        """As they go from a transformer to a predictor."""
        return {"values": self.values.features, "told": self.values.told, **self.query.as_json()}

    @classmethod
    def read(cls, told: Any) -> Features:
        """The features from `as_json`.

        Raises:
            InvalidInput: They are none; the message says why.
        """
        query = Query.parse(told)
        if not isinstance(told.get("values"), list):
            raise InvalidInput('Expected "values" to be the list of the values of the model\'s features.')
        return cls(query, Values(told["values"], told.get("told")))


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

    def as_json(self) -> dict[str, Any]:
        """As it goes from a predictor to a transformer."""
        return {"score": self.score, "features": self.features, **self.query.as_json()}

    @classmethod
    def read(cls, told: Any) -> Scored:
        """The answer from `as_json`.

        Raises:
            LiftwingError: It is none (502).
        """
        try:
            return cls(Query.parse(told), dict(told["score"]), told.get("features"))
        except (InvalidInput, KeyError, TypeError, ValueError):
            raise LiftwingError(
                "The predictor answered what is no score of a revision.", status=502
            ) from None


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
        # A predictor asks no wiki.
        asks_nobody = self.settings.wiki_url is None and config.role != "predictor"
        if asks_nobody and not config.demo:
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
        self._demo = DemoRevisions.load() if asks_nobody else None
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

    def preprocess(self, payload: Fetched) -> dict[str, Any]:
        """Compute the features."""
        query = payload.query
        values = self._extraction.values(payload.documents, query.rev_id, extended=query.extended_output)
        return Features(query, values).as_json()

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """Score the revision."""
        asked = Features.read(features)
        try:
            score = self._model.score(asked.values.features)
        except Exception as error:
            _logger.exception("%s cannot score revision %d", self.name, asked.query.rev_id)
            raise InferenceError(
                "An error happened while scoring the revision-id, please contact the ML-Team if the issue persists."
            ) from error
        told = dict(score)
        if "probability" in told:
            told["probability"] = {label(key): value for key, value in told["probability"].items()}
        return Scored(asked.query, told, asked.values.told).as_json()

    def postprocess(self, prediction: dict[str, Any]) -> dict[str, Any]:
        """Tell the score in the form of ORES, with the values of the features where they were asked for."""
        told = Scored.read(prediction)
        answer: dict[str, Any] = {"score": told.score}
        if told.features is not None:
            answer["features"] = told.features
        return {
            self._wiki_db: {
                "models": {self._kind: {"version": self._model.version}},
                "scores": {str(told.query.rev_id): {self._kind: answer}},
            }
        }

    def event(self, prediction: dict[str, Any]) -> dict[str, Any] | None:
        """The event that tells the score, where an event asked for it."""
        told = Scored.read(prediction)
        source, stream = told.query.event, self.settings.eventgate_stream
        if source is None or stream is None:
            return None
        return revision_score(source, told.score, stream=stream, name=self._kind, version=self._version)
