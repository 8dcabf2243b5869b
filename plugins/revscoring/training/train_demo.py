"""Train the demo model `enwiki-reverted` of liftwing-plugin-revscoring from labelled edits of 2015.

The edits are editquality's demo data: nine features of each edit, and whether it was reverted. The model is a
revscoring model whose features are revscoring's, so it scores any revision that revscoring can read::

    PYTHONHASHSEED=0 python train_demo.py FOLDER [--output PATH]

`FOLDER` holds the two files that `README.md` names. The same data and versions give the same model, byte for byte, on
the same kind of machine. Everything that the model card states as a number is printed here.
"""

from __future__ import annotations

import argparse
import bz2
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import revscoring
import sklearn
from nltk.corpus import stopwords
from revscoring.datasources.meta import dicts, filters, frequencies, mappers
from revscoring.features import revision_oriented, temporal, wikitext
from revscoring.features.meta import aggregators
from revscoring.languages import english
from revscoring.scoring import ModelInfo
from revscoring.scoring.models import GradientBoosting
from sklearn.metrics import average_precision_score, roc_auc_score

MODEL = Path(__file__).parent.parent / "liftwing_plugin_revscoring" / "demo" / "enwiki-reverted.bin"
TRAINING = "enwiki.features_reverted.training.20k_2015.tsv.bz2"
TESTING = "enwiki.features_reverted.testing.20k_2015.tsv.bz2"

VERSION = "demo-2015.1"
SEED = 2015
LEAST_AUC = 0.85
THRESHOLDS = (0.1, 0.3, 0.5)
# Of the edits in both files, 1,177 of 19,841 were reverted.
POPULATION_RATES = {True: 0.06, False: 0.94}

Row = tuple[list[Any], bool]


def whole_number(text: str) -> int:
    """A count, or an age in seconds."""
    return int(text)


def truth(text: str) -> bool:
    """The words that Python prints for truth values."""
    return {"True": True, "False": False}[text]


def non_stopwords() -> Any:
    """How much the share of each word that is not a stopword changed, in sum.

    It has the name and the value of revscoring's own feature. That one, however, is a class of a package that loads
    dictionaries of spelling; this one asks a set, and so the model is read where no dictionary is installed.
    """
    known = set(stopwords.words("english"))
    name = "english.stopwords.revision"
    words = wikitext.revision.datasources

    def table(of: Any, place: str) -> Any:
        kept = filters.filter(
            known.__contains__, mappers.lower_case(of.words), inverse=True, name=f"{place}.non_stopwords"
        )
        return frequencies.table(kept, name=f"{place}.non_stopword_frequency")

    before, after = table(words.parent, f"{name}.parent"), table(words, name)
    delta = frequencies.delta(before, after, name=f"{name}.diff.non_stopword_delta")
    share = frequencies.prop_delta(before, delta, name=f"{name}.diff.non_stopword_prop_delta")
    return aggregators.sum(
        dicts.values(share), name=f"{name}.diff.non_stopword_prop_delta_sum", returns=float
    )


# In the order of the columns, between the id of the revision and the label.
COLUMNS = [
    (wikitext.revision.diff.longest_repeated_char_added, whole_number),
    (wikitext.revision.diff.words_added, whole_number),
    (wikitext.revision.diff.words_removed, whole_number),
    (english.badwords.revision.diff.match_prop_delta_sum, float),
    (english.informals.revision.diff.match_prop_delta_sum, float),
    (non_stopwords(), float),
    (revision_oriented.revision.user.is_anon, truth),
    (
        revision_oriented.revision.user.in_group({"bot", "sysop"}, name="revision.user.in_group(bot, sysop)"),
        truth,
    ),
    (temporal.revision.user.seconds_since_registration, whole_number),
]


def read_edits(path: Path) -> Iterator[Row]:
    """The features of each edit, and whether it was reverted."""
    with bz2.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            _, *columns, reverted = line.rstrip("\n").split("\t")
            values = [read(text) for (_, read), text in zip(COLUMNS, columns, strict=True)]
            yield values, truth(reverted)


def train(edits: Sequence[Row]) -> GradientBoosting:
    """A small model. What it records of this machine and of the clock is left out of it."""
    model = GradientBoosting(
        [feature for feature, _ in COLUMNS],
        labels=[True, False],
        version=VERSION,
        population_rates=POPULATION_RATES,
        scale=True,
        center=True,
        n_estimators=150,
        learning_rate=0.05,
        max_depth=4,
        min_samples_leaf=20,
        max_features="log2",
        subsample=0.8,
        random_state=SEED,
    )
    model.train(edits)
    model.trained = None
    versions = {"revscoring_version": revscoring.__version__, "scikit_learn_version": sklearn.__version__}
    ModelInfo.__init__(model.info["environment"], versions)
    return model


def measure(model: GradientBoosting, edits: Sequence[Row]) -> float:
    """Print how well the model tells edits it has not seen; the area under the ROC curve."""
    scores = [model.score(values)["probability"][True] for values, _ in edits]
    wanted = [reverted for _, reverted in edits]
    auc = float(roc_auc_score(wanted, scores))
    print(f"ROC AUC {auc:.4f}, average precision {average_precision_score(wanted, scores):.4f}")
    for threshold in THRESHOLDS:
        found = [reverted for reverted, score in zip(wanted, scores, strict=True) if score >= threshold]
        hits = sum(found)
        precision = f"{hits / len(found):.3f}" if found else "none"
        print(
            f"  from {threshold:g}: {len(found)} edits, precision {precision}, recall {hits / sum(wanted):.3f}"
        )
    return auc


def write(model: GradientBoosting, path: Path) -> None:
    """Write the model, and print its size and digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        model.dump(file)
    content = path.read_bytes()
    print(f"wrote {path.name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Train the demo model enwiki-reverted.")
    parser.add_argument("data", type=Path, metavar="FOLDER", help="holds editquality's demo data")
    parser.add_argument("--output", type=Path, default=MODEL, help="default: %(default)s")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        sys.exit("Set PYTHONHASHSEED=0: the model holds sets, and would have other bytes each time.")

    training, testing = (list(read_edits(options.data / name)) for name in (TRAINING, TESTING))
    for name, edits in (("training", training), ("held out", testing)):
        print(f"{name}: {len(edits)} edits, {sum(reverted for _, reverted in edits)} reverted")
    model = train(training)
    auc = measure(model, testing)
    if auc < LEAST_AUC:
        sys.exit(f"Not written: the area under the curve is to be at least {LEAST_AUC}.")
    write(model, options.output)


if __name__ == "__main__":
    main()
