"""Says what revscoring itself makes of revisions, by its own blocking way through MediaWiki's API.

Run as a program of its own, so that the tests' process imports none of it::

    python goodfaith_oracle.py http://127.0.0.1:PORT FOLDER < revisions.json

Reads ``{"REV_ID": whether it is in good faith}``. Trains a model `goodfaith` on these revisions with editquality's own
list of features, writes it as ``FOLDER/model.bin``, and what is to be answered for each revision as
``FOLDER/expected.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mwapi
from editquality.feature_lists import enwiki
from revscoring import Model
from revscoring.extractors import api
from revscoring.features import revision_oriented, temporal, trim, wikitext
from revscoring.languages import english
from revscoring.scoring.models import GradientBoosting

VERSION = "0.5.1-test"

# The features of the demo model, as revscoring and editquality have them.
REVERTED = [
    wikitext.revision.diff.longest_repeated_char_added,
    wikitext.revision.diff.words_added,
    wikitext.revision.diff.words_removed,
    english.badwords.revision.diff.match_prop_delta_sum,
    english.informals.revision.diff.match_prop_delta_sum,
    english.stopwords.revision.diff.non_stopword_prop_delta_sum,
    revision_oriented.revision.user.is_anon,
    revision_oriented.revision.user.in_group({"bot", "sysop"}),
    temporal.revision.user.seconds_since_registration,
]


def train(values: dict[int, list[Any]], good: dict[int, bool]) -> Any:
    """A model from the revisions themselves: it has to be one that answers, not one that is right."""
    model = GradientBoosting(
        enwiki.goodfaith,
        labels=[True, False],
        version=VERSION,
        population_rates={True: 0.9, False: 0.1},
        scale=True,
        center=True,
        n_estimators=60,
        max_depth=3,
        max_features="log2",
        random_state=1,
    )
    model.train([(values[rev_id], good[rev_id]) for rev_id in values])
    return model


def main(url: str, folder: Path) -> None:
    """Ask, train, and write both files."""
    good = {int(rev_id): label for rev_id, label in json.load(sys.stdin).items()}
    session = mwapi.Session(url, user_agent="liftwing-host's tests")

    def extract(rev_id: int, features: list[Any]) -> list[Any]:
        return list(api.Extractor(session).extract(rev_id, features))

    values = {rev_id: extract(rev_id, enwiki.goodfaith) for rev_id in good}
    path = folder / "model.bin"
    with path.open("wb") as written:
        train(values, good).dump(written)
    with path.open("rb") as read:
        model = Model.load(read)
    trimmed = list(trim(model.features))
    expected = {
        rev_id: {
            "score": model.score(values[rev_id]),
            "features": dict(zip(map(str, trimmed), extract(rev_id, trimmed), strict=True)),
            "reverted": extract(rev_id, REVERTED),
        }
        for rev_id in good
    }
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
