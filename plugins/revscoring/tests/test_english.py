"""A model with the features of Wikimedia's own goodfaith model of English Wikipedia, which looks words up.

It needs Debian's dictionaries and NLTK's stop words, which pip does not bring. They are installed where that may be done
(root, Debian); elsewhere the tests are skipped with the reason, and fail in continuous integration.
"""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nltk
import pytest

from liftwing_host import ConfigurationError
from liftwing_host.pytest_plugin import LiveHost
from liftwing_plugin_revscoring import RevscoringModel

INSTALL = Path(__file__).parent.parent / "tools" / "install_english.sh"
CANNOT_INSTALL = 3

TRAIN = """
import random, sys, warnings
warnings.simplefilter("ignore")
from editquality.feature_lists import enwiki
from revscoring.scoring.models import GradientBoosting

chance = random.Random(0)
model = GradientBoosting(enwiki.goodfaith, labels=[True, False], version="0.5.1", n_estimators=5, random_state=0)
values = [[feature.returns(chance.randrange(9)) for feature in enwiki.goodfaith] for _ in range(40)]
model.train([(each, n % 2 == 0) for n, each in enumerate(values)])
with open(sys.argv[1], "wb") as file:
    model.dump(file)
"""


@pytest.fixture(scope="module")
def goodfaith(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with 80 features, as Wikimedia's; what it predicts means nothing."""
    done = subprocess.run([INSTALL, sys.executable], capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_INSTALL and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("goodfaith") / "model.bin"
    subprocess.run([sys.executable, "-c", TRAIN, str(path)], check=True)
    return path


def test_the_features_of_goodfaith_are_computed_in_forked_workers(
    liftwing: Callable[..., LiveHost], wiki: Any, goodfaith: Path
) -> None:
    wiki.add(30, "He was a [[painter]]. You suck, loser. The colour of teh house.", parent=12344)
    settings = {"wiki_url": wiki.url, "model_path": str(goodfaith)}
    host = liftwing("enwiki-goodfaith", settings=settings, arguments=["--workers", "2"])
    answer = host.predict({"rev_id": 30, "extended_output": True})
    features = answer["enwiki"]["scores"]["30"]["goodfaith"]["features"]
    assert features["feature.english.informals.revision.diff.match_delta_sum"] > 0
    assert features["feature.english.dictionary.revision.diff.dict_word_delta_sum"] > 0
    assert "each worker loads for itself" not in host.log


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was imported of languages is imported once more."""
    names = ("revscoring.languages", "editquality", "enchant", "nltk.corpus")
    for name in [name for name in sys.modules if name.startswith(names)]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("forgotten")
def test_where_stop_words_are_missing_the_operator_is_told_how_to_get_them(
    load: Callable[..., RevscoringModel], goodfaith: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(ConfigurationError) as caught:
        load(model_path=str(goodfaith))
    assert "python -m nltk.downloader -d /usr/share/nltk_data stopwords" in caught.value.message


@pytest.mark.usefixtures("forgotten")
def test_where_the_library_of_dictionaries_is_missing_the_operator_is_told_its_package(
    load: Callable[..., RevscoringModel], goodfaith: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(ConfigurationError) as caught:
        load(model_path=str(goodfaith))
    assert "apt-get install -y --no-install-recommends libenchant-2-2" in caught.value.message
