"""Which model file is loaded, what is done for older ones, and what the operator is told where none can be."""

from __future__ import annotations

import bz2
import hashlib
import json
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import ConfigurationError, ModelFileMissing
from liftwing_plugin_revscoring import RevscoringModel, unpickling
from liftwing_plugin_revscoring.missing_parts import advice

Load = Callable[..., RevscoringModel]

OLD = Path(__file__).parent / "old_models" / "sklearn-1.0.2.bin"


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def refusal(load: Load, *arguments: str, **settings: Any) -> str:
    """What the operator is told."""
    with pytest.raises(ConfigurationError) as caught:
        load(*arguments, **settings)
    return caught.value.message


def version(model: RevscoringModel) -> str:
    return model._version  # noqa: SLF001


def test_the_usual_places_are_looked_through_in_their_order(
    load: Load, trained: dict[str, Path], tmp_path: Path
) -> None:
    put(trained["topics"], tmp_path / "downloads" / "model.bin")
    assert version(load(model_path=None)) == "1.3.0"
    put(trained["article"], tmp_path / "mnt" / "model.bin")
    assert version(load(model_path=None)) == "0.9.2"
    put(trained["edit"], tmp_path / "mnt" / "enwiki-goodfaith" / "model.bin")
    assert version(load(model_path=None)) == "0.5.1"
    assert version(load("frwiki-goodfaith", model_path=None)) == "0.9.2"
    assert version(load(model_path=str(trained["item"]))) == "0.5.0"


def test_draftquality_has_its_packed_file(load: Load, trained: dict[str, Path], tmp_path: Path) -> None:
    put(trained["topics"], tmp_path / "mnt" / "model.bin")
    assert version(load("enwiki-draftquality", model_path=None)) == "1.3.0"
    (tmp_path / "mnt" / "model.bz2").write_bytes(bz2.compress(trained["article"].read_bytes()))
    assert version(load("enwiki-draftquality", model_path=None)) == "0.9.2"


@pytest.mark.parametrize("name", ["model.bin", "model.bz2", "anything"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_is_unpacked_by_what_it_is_and_not_by_its_name(
    load: Load, trained: dict[str, Path], tmp_path: Path, name: str, packed: bool
) -> None:
    content = trained["edit"].read_bytes()
    (tmp_path / name).write_bytes(bz2.compress(content) if packed else content)
    assert version(load(model_path=str(tmp_path / name))) == "0.5.1"


def test_without_a_file_the_operator_is_told_where_it_was_looked_for_and_what_to_do(
    load: Load, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileMissing) as caught:
        load(model_path=None)
    for told in (
        f"{tmp_path}/mnt/enwiki-goodfaith/model.bin",
        f"{tmp_path}/mnt/model.bin",
        f"{tmp_path}/downloads/model.bin",
        "MODEL_PATH",
        "[models.enwiki-goodfaith]",
        "--demo",
    ):
        assert told in caught.value.message


def test_a_file_that_was_named_is_not_replaced_by_another(
    load: Load, trained: dict[str, Path], tmp_path: Path
) -> None:
    put(trained["edit"], tmp_path / "mnt" / "model.bin")
    with pytest.raises(ModelFileMissing) as caught:
        load(model_path=str(tmp_path / "misspelt.bin"))
    assert "misspelt.bin" in caught.value.message
    assert "mnt" not in caught.value.message


def test_without_the_wiki_lift_wings_words_are_said(load: Load) -> None:
    assert refusal(load, wiki_url=None).startswith(
        "The environment variable WIKI_URL is not set. Please set it before running the server."
    )


def test_the_demo_says_which_model_it_has(load: Load) -> None:
    assert "enwiki-reverted" in refusal(load, demo=True)


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_file_of_another_checksum_is_not_unpickled(load: Load, tmp_path: Path) -> None:
    path, mark = tmp_path / "model.bin", tmp_path / "exploded"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    found, expected = hashlib.sha256(path.read_bytes()).hexdigest(), "0" * 64
    message = refusal(load, model_path=str(path), sha256=expected)
    assert found in message
    assert expected in message
    assert str(path) in message
    assert not mark.exists()
    refusal(load, model_path=str(path))
    assert mark.exists(), "the test shows nothing if the file is harmless"


@pytest.mark.parametrize("spelt", [str.lower, str.upper])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_of_the_right_checksum_is_loaded(
    load: Load, trained: dict[str, Path], tmp_path: Path, spelt: Callable[[str], str], packed: bool
) -> None:
    content = trained["edit"].read_bytes()
    content = bz2.compress(content) if packed else content
    (tmp_path / "model.bin").write_bytes(content)
    digest = spelt(hashlib.sha256(content).hexdigest())
    assert version(load(model_path=str(tmp_path / "model.bin"), sha256=digest)) == "0.5.1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "cannot be loaded as a revscoring model: EOFError"),
        (b"<!DOCTYPE html>", "cannot be loaded as a revscoring model: UnpicklingError"),
        (b"BZh91AY&SY broken", "cannot be unpacked with bzip2"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 10351347\n", "git lfs pull"),
        (pickle.dumps({"not": "a model"}), "it holds a dict, not a revscoring model"),
        (pickle.dumps(Bomb)[:-20], "cannot be loaded as a revscoring model"),
        (b"cnosuchmodule\nThing\n.", "No module named 'nosuchmodule'"),
        (b"ceditquality.no_such_list\nThing\n.", "pip install editquality"),
    ],
    ids=str,
)
def test_a_file_that_is_no_model_is_told_as_such(
    load: Load, tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    message = refusal(load, model_path=str(path))
    assert str(path) in message
    assert told in message


def test_a_model_of_scikit_learn_1_0_scores_as_it_did_there(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    """The file was made with Lift Wing's versions, by `old_models/make.py`, which printed this score there."""
    caplog.set_level("INFO")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load(model_path=str(OLD))
    score = json.loads(json.dumps(model._model.score([150, True])))  # noqa: SLF001
    assert score == json.loads(OLD.with_suffix(".json").read_text())
    [line] = [record.message for record in caplog.records if "loaded" in record.message]
    assert "made with scikit-learn 1.0.2, revscoring 2.11.13, Python 3.10.13" in line
    assert len(caplog.records) == 1


def test_without_its_mending_that_model_would_not_score(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the operator would be told so when it is loaded, with the versions, instead of each client."""
    monkeypatch.setattr(unpickling, "_adapt", lambda model: None)
    message = refusal(load, model_path=str(OLD))
    assert "has no attribute '_loss'" in message
    assert (
        "It was made with scikit-learn 1.0.2, revscoring 2.11.13, Python 3.10.13; here is scikit-learn "
        in message
    )
    assert "pip install --force-reinstall liftwing-plugin-revscoring" in message


def test_a_model_that_wants_many_threads_gets_one(load: Load, trained: dict[str, Path]) -> None:
    model = load("enwiki-articlequality", model_path=str(trained["article"]))
    assert model._model.estimator.n_jobs == 1  # noqa: SLF001


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ImportError("The 'enchant' C library was not found and maybe needs to be installed."),
            "apt-get install -y --no-install-recommends libenchant-2-2",
        ),
        (
            ImportError(
                "No enchant-compatible dictionary found for 'en_GB'.  Consider installing 'hunspell-en-gb'"
            ),
            "apt-get install -y --no-install-recommends hunspell-en-us hunspell-en-gb hunspell-en-au",
        ),
        (
            ImportError("No enchant-compatible dictionary found for 'fr'.  Consider installing 'myspell-fr'"),
            "apt-get install -y --no-install-recommends myspell-fr",
        ),
        (
            ImportError("Could not load stopwords for revscoring.languages.english. You may need to install"),
            "python -m nltk.downloader -d /usr/share/nltk_data stopwords",
        ),
        (ModuleNotFoundError("No module named 'drafttopic'", name="drafttopic.x"), "pip install drafttopic"),
        (ValueError("node array from the pickle has an incompatible dtype"), "liftwing-plugin-revscoring"),
        (ValueError("anything else"), ""),
    ],
)
def test_what_a_model_lacks_is_told_with_the_command_that_brings_it(error: Exception, told: str) -> None:
    assert told in advice(error)
    assert bool(told) == bool(advice(error))
