"""Which model file is loaded, and what the operator is told where none can be."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import fasttext
import pytest

import liftwing_plugin_outlink
from liftwing_host import ConfigurationError, ModelFileMissing
from liftwing_plugin_outlink import OutlinkTopicModel
from liftwing_plugin_outlink.fasttext_file import is_whole_model
from liftwing_plugin_outlink.features import Features
from liftwing_plugin_outlink.query import Query

Load = Callable[..., OutlinkTopicModel]

DEMO = Path(liftwing_plugin_outlink.__file__).parent / "demo" / "model.ftz"

PARTS = (20, 91, 200, 1000, 100_000, DEMO.stat().st_size - 1)
"""Bytes: they end within the head, the dictionary and the quantized matrices."""


def part(length: int) -> bytes:
    """The beginning of a model."""
    return DEMO.read_bytes()[:length]


def answers(model: OutlinkTopicModel) -> bool:
    """Whether a model predicts."""
    return bool(model.predict(Features(Query("en", "Physics", threshold=0.0), "Q413").as_json())["topics"])


def test_the_file_of_the_settings_is_loaded(load: Load, tmp_path: Path) -> None:
    shutil.copy(DEMO, tmp_path / "mine.bin")
    assert answers(load(demo=False, model_path=str(tmp_path / "mine.bin")))


@pytest.mark.parametrize("folder", ["models/outlink-topic-model", "models"])
def test_a_mounted_file_is_loaded(load: Load, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    shutil.copy(DEMO, tmp_path / folder / "model.bin")
    assert answers(load(demo=False))


def test_a_downloaded_file_is_loaded_where_none_was_named(load: Load, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    shutil.copy(DEMO, tmp_path / "downloads" / "model.bin")
    assert answers(load(demo=False))


def test_the_demo_needs_no_file_of_the_operator(load: Load) -> None:
    assert answers(load(demo=True))


def test_without_a_file_the_operator_is_told_where_it_was_looked_for_and_how_to_get_it(
    load: Load, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileMissing) as caught:
        load(demo=False)
    for told in (
        str(tmp_path / "models" / "model.bin"),
        str(tmp_path / "downloads" / "model.bin"),
        "https://analytics.wikimedia.org/published/wmf-ml-models/articletopic/outlink/20221111111111/model.bin",
        "liftwing-host download outlink-topic-model",
        "--demo",
    ):
        assert told in caught.value.message


def test_a_file_that_was_named_is_not_replaced_by_another(load: Load, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    shutil.copy(DEMO, tmp_path / "downloads" / "model.bin")
    with pytest.raises(ModelFileMissing) as caught:
        load(demo=False, model_path=str(tmp_path / "misspelt.bin"))
    assert "misspelt.bin" in caught.value.message
    assert "downloads" not in caught.value.message


# As a page of a web server that has no such file; and as downloads that broke off would leave it.
@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>" * 100, *(part(of) for of in PARTS)], ids=len)
def test_a_file_that_is_no_whole_fasttext_model_is_told_as_such(
    load: Load, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(demo=False, model_path=str(tmp_path / "model.bin"))
    assert f"{tmp_path / 'model.bin'} cannot be loaded as a fastText model" in caught.value.message


def test_a_file_that_fasttext_does_not_take_is_told_with_its_reason_and_its_path_once(
    load: Load, tmp_path: Path
) -> None:
    whole = DEMO.read_bytes()
    path = tmp_path / "model.bin"
    path.write_bytes(whole[:4] + b"\x63\0\0\0" + whole[8:])  # A version that is not there yet.
    with pytest.raises(ConfigurationError) as caught:
        load(demo=False, model_path=str(path))
    assert caught.value.message.startswith(
        f"{path} cannot be loaded as a fastText model: has wrong file format. "
    )


@pytest.mark.parametrize("model", ["dense", "quantized"])
def test_of_a_whole_model_not_a_byte_may_be_missing(tmp_path: Path, model: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(unquantized() if model == "dense" else DEMO.read_bytes())
    assert is_whole_model(path)
    fasttext.load_model(str(path))
    size = path.stat().st_size
    for length in range(size - 1, 0, -max(1, size // 500)):
        os.truncate(path, length)
        assert not is_whole_model(path), length


def unquantized(words: int = 3, labels: int = 2, dimension: int = 50) -> bytes:
    """A model of zeros, as fastText writes it."""
    head = struct.pack("<2i", 793712314, 12)
    arguments = struct.pack("<12i d", dimension, 5, 5, 1, 5, 1, 4, 3, 0, 0, 0, 100, 1e-4)
    counts = struct.pack("<3i 2q", words + labels, words, labels, 100, -1)
    entries = [(f"Q{n}", 0) for n in range(words)] + [(f"__label__{n}", 1) for n in range(labels)]
    dictionary = b"".join(text.encode() + struct.pack("<x q b", 9, kind) for text, kind in entries)
    matrices = b"".join(
        struct.pack("<b 2q", 0, rows, dimension) + bytes(4 * rows * dimension) for rows in (words, labels)
    )
    return head + arguments + counts + dictionary + matrices


def test_the_published_file_is_declared_for_download() -> None:
    [published] = OutlinkTopicModel.files
    assert published.name == "model.bin"
    assert published.licence == "CC0"
