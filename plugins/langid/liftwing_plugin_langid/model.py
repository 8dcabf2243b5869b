"""The model's hooks: make one line of the text, ask fastText, tell the language."""

from __future__ import annotations

from typing import Any, ClassVar, TypedDict

from liftwing_host import InvalidInput, Model, ModelConfig, PublishedFile

from .languages import Language, known_languages
from .settings import LangidSettings
from .weights import LABEL, PUBLISHED, load_weights

__all__ = ["LanguageIdentification", "Prediction"]

_LONGEST = 100_000  # characters; time grows with length, and what follows would hardly change the answer


class Prediction(TypedDict):
    """What the model answered, in a form that a transformer apart from its predictor gets, too.

    Attributes:
        label: The likeliest label, without fastText's prefix.
        score: Its probability, from 0.0 to 1.0.
    """

    label: str
    score: float


class LanguageIdentification(Model):
    """Tells the language that a text is written in."""

    settings: LangidSettings
    files: ClassVar[tuple[PublishedFile, ...]] = (PUBLISHED,)
    example: ClassVar[Any] = {"text": "Some random text in any language"}

    def load(self, config: ModelConfig) -> None:
        """Load fastText's model, which a transformer needs not."""
        if config.role != "transformer":
            self._weights = load_weights(config, self.settings)

    def preprocess(self, payload: Any) -> str:
        """One line of text. The errors' texts are Lift Wing's where Lift Wing has one."""
        if not isinstance(payload, dict):
            raise InvalidInput("Please verify that request input is a json dict")
        text = payload.get("text")
        if text is None:
            raise InvalidInput("The parameter text is required.")
        if not isinstance(text, str):
            raise InvalidInput('Expected "text" to be a string.')
        line = text[:_LONGEST].replace("\n", " ")  # fastText takes one line
        if not any(map(str.isalpha, line)):
            raise InvalidInput('Expected "text" to have letters: digits, signs and emoji are of no language.')
        return line

    def predict(self, features: str) -> Prediction:
        """Ask fastText for the likeliest language."""
        labels, scores = self._weights.predict(features)
        if not labels:
            raise InvalidInput("The model knows nothing of what stands in the text.")
        # fastText adds a little to each probability, so that the highest come out above 1.
        return Prediction(label=labels[0].removeprefix(LABEL), score=min(scores[0], 1.0))

    def predict_batch(self, features: list[str]) -> list[Prediction]:
        """Ask about several texts: one by one, which saves messages between host and worker."""
        return [self.predict(line) for line in features]

    def postprocess(self, prediction: Prediction) -> dict[str, Any]:
        """Tell the language, as Lift Wing does."""
        label = prediction["label"]
        language = known_languages().get(label, Language(label, wikicode="", name=""))
        return {
            "language": language.code,
            "wikicode": language.wikicode,
            "languagename": language.name,
            "score": prediction["score"],
        }
