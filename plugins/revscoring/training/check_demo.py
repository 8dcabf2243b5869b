"""Print what the shipped demo model says about each sample revision, without asking any wiki.

Needs what the plugin needs at run time: revscoring and scikit-learn, and neither dictionaries nor NLTK's data::

    python check_demo.py [--features] [--model PATH]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revscoring import Model
from revscoring.extractors import api

DEMO = Path(__file__).parent.parent / "liftwing_plugin_revscoring" / "demo"
MODEL = DEMO / "enwiki-reverted.bin"
REVISIONS = DEMO / "revisions.json"

# What MediaWiki answered for a revision, for its parent, and for its user; None where there is no such thing.
Sample = Mapping[str, Any]


class NoWiki:
    """In place of a session with a wiki: all that the extractor may ask for is at hand."""

    def get(self, **parameters: Any) -> Any:
        """Refuse to ask."""
        raise LookupError(f"not among the samples: {parameters}")


def load_samples(path: Path) -> dict[int, Sample]:
    """Read the sample revisions that ship with the plugin."""
    samples: dict[str, Sample] = json.loads(path.read_text(encoding="utf-8"))
    return {int(rev_id): sample for rev_id, sample in samples.items()}


def revision_in(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The only revision in an answer."""
    [page] = answer["query"]["pages"].values()
    [revision] = page["revisions"]
    return revision  # type: ignore[no-any-return]


def extract(model: Any, rev_id: int, sample: Sample) -> list[Any]:
    """The values of the model's features."""
    answers = api.MWAPICache()
    answers.add_revisions_batch_doc([rev_id], sample["revision"])
    revision = revision_in(sample["revision"])
    if sample["parent"] is not None:
        answers.add_revisions_batch_doc([revision["parentid"]], sample["parent"])
    if sample["user"] is not None:
        answers.add_users_batch_doc([revision["user"]], sample["user"])
    extractor = api.Extractor(NoWiki(), http_cache=answers)
    return list(extractor.extract(rev_id, model.features))


def print_sample(model: Any, rev_id: int, sample: Sample, *, features: bool) -> None:
    """Print the score of a revision, and what it was made from."""
    values = extract(model, rev_id, sample)
    score = model.score(values)
    revision = revision_in(sample["revision"])
    print(
        f"{rev_id}  reverted {score['probability'][True]:.3f}  {revision['user']}: {revision['comment'] or '-'}"
    )
    if features:
        for feature, value in zip(model.features, values, strict=True):
            print(f"    {feature} = {value}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Show the demo model's scores.")
    parser.add_argument("--features", action="store_true", help="print the features, too")
    parser.add_argument("--model", type=Path, default=MODEL, help="default: %(default)s")
    options = parser.parse_args()
    with options.model.open("rb") as file:
        model = Model.load(file)
    for rev_id, sample in load_samples(REVISIONS).items():
        print_sample(model, rev_id, sample, features=options.features)


if __name__ == "__main__":
    main()
