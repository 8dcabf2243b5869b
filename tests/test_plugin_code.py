"""What a plugin's class or module may hold beside its hooks: annotations and properties that are nobody else's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from distributions import install, path_with

OF_TYPE_CHECKERS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
from liftwing_host import {imported}, setting
if TYPE_CHECKING:
    from not_there import Index
@dataclass(frozen=True)
class Settings:
    factor: int = setting(2, env="FACTOR")
"""


@pytest.mark.parametrize(
    ("entry_point", "code"),
    [
        (
            "tells:M",
            OF_TYPE_CHECKERS.format(imported="Model")
            + "class Base(Model):\n    index: Index\n    settings: Settings\n"
            "class M(Base):\n    other: list[Index]\n    def predict(self, features): return features * self.settings.factor",
        ),
        (
            "tells:M",
            OF_TYPE_CHECKERS.format(imported="Model")
            + "class M(Model):\n    index: Index\n    settings: Own\n    class Own(Settings): ...\n"
            "    def predict(self, features): return features * self.settings.factor",
        ),
        (
            "tells",
            OF_TYPE_CHECKERS.format(imported="hookimpl")
            + "index: Index\nsettings: Settings\n@hookimpl\ndef load(config): return config.settings\n"
            "@hookimpl\ndef predict(features, model): return features * model.factor",
        ),
    ],
    ids=["class", "class of the class", "module"],
)
def test_an_annotation_that_only_type_checkers_can_read_is_let_be(
    liftwing: Any, tmp_path: Path, entry_point: str, code: str
) -> None:
    install(tmp_path, "liftwing-plugin-tells", models={"tells": entry_point}, code={"tells": code})
    host = liftwing(
        "tells", environ=path_with(tmp_path), settings={"factor": 5}, arguments=["--workers", "1"]
    )
    assert host.predict(3) == 15


def test_the_settings_of_a_base_class_are_those_of_its_own_module(liftwing: Any, tmp_path: Path) -> None:
    code = {
        "base": OF_TYPE_CHECKERS.format(imported="Model") + "class Base(Model):\n    settings: Settings",
        "derived": "from base import Base\nclass Settings: ...\n"
        "class M(Base):\n    def predict(self, features): return features * self.settings.factor",
    }
    install(tmp_path, "liftwing-plugin-derived", models={"derived": "derived:M"}, code=code)
    host = liftwing("derived", environ=path_with(tmp_path), arguments=["--workers", "1"])
    assert host.predict(3) == 6


def test_a_property_is_not_read_before_a_hook_asks_for_it(liftwing: Any, tmp_path: Path) -> None:
    code = """
import functools
from liftwing_host import Model
class M(Model):
    def load(self): self.weights = [1, 2]
    @property
    def size(self): return len(self.weights)
    @functools.cached_property
    def total(self): return sum(self.weights)
    def predict(self): return [self.size, self.total]
"""
    install(tmp_path, "liftwing-plugin-reads", models={"reads": "reads:M"}, code={"reads": code})
    assert liftwing("reads", environ=path_with(tmp_path)).predict(0) == [2, 3]


@pytest.mark.parametrize(
    ("entry_point", "code"),
    [
        (
            "reads:M",
            "from dataclasses import dataclass\nfrom liftwing_host import Model, setting\n"
            "@dataclass(frozen=True)\nclass S:\n    factor: int = setting(2)\n"
            "class M(Model):\n    settings: S = S()\n    def predict(self): return self.settings.factor",
        ),
        (
            "reads:M",
            "from liftwing_host import Model\nclass M(Model):\n    settings = None\n"
            "    def load(self): self.settings = {'factor': 2}\n"
            "    def predict(self): return self.settings['factor']",
        ),
        (
            "reads",
            "from types import SimpleNamespace\nfrom liftwing_host import hookimpl\n"
            "settings = SimpleNamespace(factor=2)\n@hookimpl\ndef predict(): return settings.factor",
        ),
    ],
    ids=["annotated, with a value", "its own in load", "a module's own"],
)
def test_an_attribute_settings_that_declares_or_is_no_dataclass_is_let_be(
    liftwing: Any, tmp_path: Path, entry_point: str, code: str
) -> None:
    install(tmp_path, "liftwing-plugin-reads", models={"reads": entry_point}, code={"reads": code})
    assert liftwing("reads", environ=path_with(tmp_path), arguments=["--workers", "1"]).predict(0) == 2


def test_who_reads_a_setting_that_no_annotation_declares_is_told_how_to(
    liftwing: Any, tmp_path: Path
) -> None:
    code = """
from liftwing_host import Model
class M(Model):
    def predict(self): return [getattr(self.settings, "b", "default"), self.settings.a]
"""
    install(tmp_path, "liftwing-plugin-reads", models={"reads": "reads:M"}, code={"reads": code})
    host = liftwing("reads", environ=path_with(tmp_path), arguments=["--workers", "1"])
    assert host.post({}).status == 500
    host.wait_for(lambda: "AttributeError: there is no setting 'a': the model declares no" in host.log, "log")
    assert "with the dataclass that has them: `settings: S`\n" in host.log


OF_ONE_NAME = """
from liftwing_host import Model, PublishedFile, hookimpl
class Misspelt(Model):
    max_batchsize = 4
    accept_raw = True
    exmaple = {"a": 1}
    file = (PublishedFile("https://example.org/7", "a.bin"),)
    fork_safe = False
    def predict(self): ...
class Own(Model):
    files = ()
    file = [1]
    examples_seen = 0
    name_of_wiki = ["enwiki"]
    max_length = batch_size = 512
    files_read = []
    idempotant = "a text"
    _example = {}
    def examples(self): ...
    @property
    def example_(self): ...
    def predict(self): ...
class Raw(Own):
    accepts_raw = True
    example = b"bytes"
class Set(Own):
    example = {1}
"""


def test_what_is_called_almost_as_a_declaration_is_told_once_and_an_authors_own_attribute_is_not(
    liftwing: Any, tmp_path: Path
) -> None:
    models = {
        "misspelt": "names:Misspelt",
        "own": "names:Own",
        "of-raw": "names:Raw",
        "module": "names_too",
    }
    of_module = "from liftwing_host import hookimpl\nforksafe = False\n@hookimpl\ndef predict(): ..."
    code = {"names": OF_ONE_NAME, "names_too": of_module}
    install(tmp_path, "liftwing-plugin-names", models=models | {"set": "names:Set"}, code=code)
    host = liftwing(*models, "set", environ=path_with(tmp_path), arguments=["--workers", "2"])
    told = [line.partition("] ")[2] for line in host.log.splitlines() if " WARNING " in line]
    attribute = (
        "its attribute {} declares nothing. Did you mean {}? (If it is one of your own, start its name with "
    )
    assert [line for line in told if line.startswith("model ")] == [
        f"model {model}: {attribute.format(*names)}an underscore.)"
        for model, *names in (
            ("misspelt", "max_batchsize", "max_batch_size"),
            ("misspelt", "accept_raw", "accepts_raw"),
            ("misspelt", "exmaple", "example"),
            ("misspelt", "file", "files"),
            ("module", "forksafe", "fork_safe"),
        )
    ] + [
        "model set: its example is not shown, since JSON cannot hold it (Type is not JSON serializable: set). Write it "
        "with dicts, lists, texts, numbers, True, False and None"
    ]
