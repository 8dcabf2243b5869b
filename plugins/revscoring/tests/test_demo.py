"""The demo: scores of sample revisions, without any network, library of dictionaries or list of stop words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import liftwing_plugin_revscoring
from liftwing_host.pytest_plugin import LiveHost
from liftwing_plugin_revscoring import RevscoringModel
from liftwing_plugin_revscoring.demo_revisions import DemoRevisions
from liftwing_plugin_revscoring.documents import UnknownRevision

REVISIONS = Path(liftwing_plugin_revscoring.__file__).parent / "demo" / "revisions.json"
SAMPLES: list[int] = (
    [int(rev_id) for rev_id in json.loads(REVISIONS.read_text())] if REVISIONS.exists() else []
)

needs_demo = pytest.mark.skipif(not SAMPLES, reason=f"there is no {REVISIONS.name} yet")


def page(rev_id: int, parent: int, **author: Any) -> dict[str, Any]:
    revision = {"revid": rev_id, "parentid": parent, **author}
    return {"query": {"pages": {"1": {"title": "T", "revisions": [revision]}}}}


def test_the_file_of_samples_stands_in_for_mediawiki() -> None:
    user = {"query": {"users": [{"name": "Ada", "userid": 7}]}}
    full = {"revision": page(5, 4, user="Ada", userid=7), "parent": page(4, 0), "user": user}
    first = {"revision": page(6, 0, user="192.0.2.1", userid=0), "parent": None, "user": None}
    demo = DemoRevisions({"5": full, "6": first})
    documents = demo.documents(5)
    assert documents.parent == (4, full["parent"])
    assert documents.user == ("Ada", user)
    documents.revision.clear()
    assert demo.documents(5).revision == full["revision"], "what one request writes is not there for the next"
    assert (demo.documents(6).parent, demo.documents(6).user) == (None, None)
    with pytest.raises(UnknownRevision):
        demo.documents(7)


@needs_demo
def test_every_sample_has_a_score_and_features(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("enwiki-reverted", arguments=["--demo"], environ={"NLTK_DATA": "/nonexistent"})
    for rev_id in SAMPLES:
        answer = host.predict({"rev_id": rev_id, "extended_output": True})["enwiki"]["scores"][str(rev_id)]
        assert set(answer["reverted"]["score"]["probability"]) == {"true", "false"}
        assert answer["reverted"]["features"]
    assert host.post({"rev_id": 1}).json()["error"].startswith("The MW API does not have any info related to")
    assert "each worker loads for itself" not in host.log


@needs_demo
def test_the_example_in_the_report_is_one_of_the_samples(load: Callable[..., RevscoringModel]) -> None:
    assert RevscoringModel.example["rev_id"] in SAMPLES
    load("enwiki-reverted", demo=True)


@needs_demo
def test_with_a_wiki_the_demo_model_scores_its_revisions(
    liftwing: Callable[..., LiveHost], wiki: Any
) -> None:
    host = liftwing("enwiki-reverted", arguments=["--demo"], environ={"WIKI_URL": wiki.url})
    assert host.predict({"rev_id": 12345})["enwiki"]["models"]["reverted"]["version"]
    assert sorted(wiki.asked) == ["12344", "12345", "Ada"]
