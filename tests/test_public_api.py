"""What plugin authors build on: names, signatures, and what they are told when a hook is not as it must be."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import liftwing_host
from distributions import install, path_with
from liftwing_host import LiftwingError, Model, ModelConfig, ModelFileMissing, Request, errors, hookspecs
from liftwing_host.pytest_plugin import LiveHost


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(liftwing_host.__all__) == [
        "ConfigurationError", "DeadlineExceeded", "InferenceError", "InvalidInput", "LiftwingError", "Model", "ModelConfig",
        "ModelFileMissing", "PublishedFile", "Request", "hookimpl", "read_settings", "setting",
    ]  # fmt: skip
    for name in liftwing_host.__all__:
        assert getattr(liftwing_host, name).__doc__ or name == "hookimpl"


def test_the_hooks_take_these_arguments() -> None:
    taken = {
        name: list(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if inspect.isfunction(function) and hasattr(function, "liftwing_host_spec")
    }
    assert taken == {
        "load": ["config"], "start": ["model"], "stop": ["model"],
        "fetch": ["payload", "request", "model"], "preprocess": ["payload", "request", "model"],
        "predict_batch": ["features", "requests", "model"],
        "predict": ["features", "request", "model"], "postprocess": ["prediction", "request", "model"],
        "event": ["prediction", "response", "request", "model"],
    }  # fmt: skip
    assert sorted(hookspecs.HOOKS) == sorted(taken)
    assert hookspecs.LEG_HOOKS == ("fetch", "preprocess", "predict", "postprocess")


def test_the_public_functions_take_these_arguments() -> None:
    def arguments(function: Callable[..., Any]) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert arguments(Model) == ["config"]
    assert arguments(ModelConfig) == ["name", "settings", "demo", "downloads", "mounted", "role", "files"]
    assert arguments(Request) == ["id", "model", "protocol", "headers", "deadline"]
    assert arguments(liftwing_host.PublishedFile) == ["url", "name", "sha256", "size", "licence"]
    assert arguments(liftwing_host.setting) == ["default", "env", "minimum", "maximum", "above", "help"]
    assert arguments(liftwing_host.read_settings) == ["declared", "table", "environ", "where", "others"]
    assert arguments(LiftwingError) == ["message", "status"]


def test_what_a_model_may_declare_has_these_defaults() -> None:
    declared = ("files", "example", "idempotent", "accepts_raw", "fork_safe")
    assert [getattr(Model, name) for name in declared] == [(), None, True, False, True]


def test_every_error_has_its_status_and_one_root() -> None:
    statuses = {name: getattr(errors, name).status for name in errors.__all__}
    assert statuses == {
        "BodiesTooLarge": 503, "ConfigurationError": 500, "DeadlineExceeded": 504, "EncodingNotSupported": 415, "ExplainerNotFound": 501, "HookFailed": 500,
        "InferenceError": 500, "InvalidInput": 400, "LiftwingError": 500, "ModelFileMissing": 500,
        "ModelNotFound": 404, "ModelNotReady": 503, "Overloaded": 503, "PayloadTooLarge": 413,
        "PluginNotFound": 500, "PredictorFailed": 502, "PredictorUnavailable": 503, "WorkerDied": 500,
    }  # fmt: skip
    assert all(issubclass(getattr(errors, name), LiftwingError) for name in errors.__all__)


def test_a_request_cannot_be_changed() -> None:
    request = Request("id", "model")
    with pytest.raises(AttributeError):
        request.id = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        request.headers["x"] = "y"  # type: ignore[index]
    assert request.remaining() == float("inf")


# Mistakes in the class style


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("pre_process", "preprocess"),
        ("preproces", "preprocess"),
        ("predct", "predict"),
        ("Predict", "predict"),
        ("preProcess", "preprocess"),
        ("postprocessing", "postprocess"),
        ("batch_predict", "predict_batch"),
        ("predictBatch", "predict_batch"),
    ],
)
def test_a_misspelt_method_is_an_error_that_names_the_hook(wrong: str, meant: str) -> None:
    with pytest.raises(TypeError) as error:
        type("Mine", (Model,), {wrong: lambda self: None})
    assert str(error.value).startswith(f"Mine.{wrong} is not a hook; did you mean {meant}? ")


def test_methods_of_the_authors_own_are_left_alone() -> None:
    class Mine(Model):
        def _predct(self) -> None: ...

        def score(self) -> None: ...

        def predict(self) -> int:
            return 1

    assert Mine(ModelConfig("mine")).predict() == 1
    assert Mine(ModelConfig("mine")).name == "mine"


def test_a_models_file_is_the_first_that_is_there_of_the_usual_places(tmp_path: Path) -> None:
    config = ModelConfig("mine", mounted=tmp_path / "mnt", downloads=tmp_path / "downloads")
    with pytest.raises(ModelFileMissing) as missing:
        config.find_file("a.bin", "b.bin", advice="Fetch it.")
    assert missing.value.message.endswith(
        f"{tmp_path}/downloads/a.bin or {tmp_path}/downloads/b.bin. Fetch it."
    )
    for place in ("downloads/b.bin", "downloads/a.bin", "mnt/a.bin", "mnt/mine/b.bin"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
        assert config.find_file("a.bin", "b.bin") == tmp_path / place
    with pytest.raises(ModelFileMissing) as missing:
        config.find_file("a.bin", path=tmp_path / "misspelt")
    assert missing.value.message == f"There is no model file at {tmp_path}/misspelt."


def test_a_model_whose_published_file_is_missing_tells_how_to_download_it(
    liftwing: Any, tmp_path: Path
) -> None:
    code = """
from liftwing_host import Model, PublishedFile
class Mine(Model):
    files = (PublishedFile("https://example.org/7", "a.bin"),)
    wanted = "a.bin"
    def load(self, config): config.find_file(self.wanted)
    def predict(self): ...
class Other(Mine):
    wanted = "b.bin"
"""
    models = {"mine": "needs_file:Mine", "other": "needs_file:Other"}
    install(tmp_path, "liftwing-plugin-needs-file", models=models, code={"needs_file": code})
    host = liftwing("mine", "other", wait=False, environ=path_with(tmp_path), arguments=["--workers", "1"])
    host.wait_for(lambda: "other (liftwing-plugin-needs-file 1.0) is NOT READY" in host.log, "the report")
    assert "/mine/a.bin. `liftwing-host download mine` fetches it.\n" in host.log
    assert "/other/b.bin.\n" in host.log, "that command would fetch another file"


@pytest.mark.parametrize("wrap", [staticmethod, classmethod])
def test_a_hook_that_is_no_plain_method_is_an_error(wrap: Any) -> None:
    with pytest.raises(
        TypeError, match=f"Mine.predict: a hook must be a plain method, not a {wrap.__name__}"
    ):
        type("Mine", (Model,), {"predict": wrap(lambda *_: None)})


def test_the_hooks_of_a_mixin_run_and_none_leaves_one_out(liftwing: Any, tmp_path: Path) -> None:
    code = """
from liftwing_host import Model
class Mixin:
    def preprocess(self, payload): return payload + 1
class Mixed(Mixin, Model):
    def predict(self, features): return features * 10
class Without(Mixed):
    preprocess = None
"""
    models = {"mixed": "mixes:Mixed", "without": "mixes:Without"}
    install(tmp_path, "liftwing-plugin-mixes", models=models, code={"mixes": code})
    host = liftwing("mixed", "without", environ=path_with(tmp_path), arguments=["--workers", "1"])
    assert (host.predict(1, "mixed"), host.predict(1, "without")) == (20, 10)


# Mistakes that are found when a model is loaded

CLASS = "from liftwing_host import Model\nclass M(Model):\n    "
SETTINGS = "from dataclasses import dataclass\nfrom liftwing_host import setting\n@dataclass(frozen=True)\nclass S:\n    "
MODULE = "from liftwing_host import hookimpl\n@hookimpl\n"
MISTAKES = {
    "class-argument": (CLASS + "def predict(self, featurs): ...", "predict has no argument 'featurs'; it can have features, request, model."),
    "class-headers": (CLASS + "def predict(self, features, headers=None): ...", "the client's headers are request.headers"),
    "class-default": (CLASS + "def predict(self, features, request=None): ...", "predict would never get 'request', which has a default"),
    "class-keyword": (CLASS + "def predict(self, features, *, request): ...", "predict gets 'request' by name: no * before it"),
    "class-position": (CLASS + "def predict(self, features, /): ...", "predict gets 'features' by name: no * before it and no / after"),
    "class-no-self": (CLASS + "def predict(features): ...", "predict is a method: it needs self before 'features'."),
    "class-nothing": (CLASS + "def load(): ...\n    def predict(self): ...", "load is a method: it needs self."),
    "class-partial": ("import functools\n" + CLASS + "preprocess = functools.partial(max, 0)\n    def predict(self): ...", "M.preprocess: a hook must be a method (def preprocess(self, …)), and not a partial"),
    "class-property": (CLASS + "@property\n    def predict(self): ...", "M.predict: a hook must be a method (def predict(self, …)), and not a property"),
    "class-init": (CLASS + "def __init__(self, config, weight): ...\n    def predict(self): ...", "M is made by M(config), which its __init__ does not take: missing a required argument: 'weight'. Leave __init__ out"),
    "class-anything": (CLASS + "def predict(self, *args, **kwargs): ...", "predict gets the arguments that it names"),
    "class-fetch": (CLASS + "def fetch(self): ...\n    def predict(self): ...", "fetch must be `async def`"),
    "class-no-predict": (CLASS + "def preprocess(self): ...", "the plugin has no predict hook"),
    "class-spelling": (CLASS + "def pre_process(self): ...", "did you mean preprocess?"),
    "class-async-load": (CLASS + "async def load(self): ...\n    def predict(self): ...", "load must be a plain function"),
    "class-settings": ("class S: ...\n" + CLASS + "settings: S\n    def predict(self): ...", "the annotation of settings is S, and must be a dataclass of setting() fields"),
    "class-settings-class": (SETTINGS + "a: int = setting(1)\n" + CLASS + "settings = S\n    def predict(self): ...", "M.settings is assigned, which declares no settings: annotate it instead, `settings: S`."),
    "class-settings-value": (SETTINGS + "a: int = setting(1)\n" + CLASS + "settings: S\n    def predict(self): ...\nBase = M\nclass M(Base):\n    settings = S(2)", "M.settings is assigned, which declares no settings: annotate it instead, `settings: S`."),
    "class-settings-nowhere": (CLASS + "settings: 'Nope'\n    def predict(self): ...", "M has the annotation settings: 'Nope', which cannot be resolved: name 'Nope' is not defined. It must name a dataclass"),
    "class-setting-variable": (SETTINGS + "path: str = setting('')\n" + CLASS + "settings: S\n    def predict(self): ...", "the setting S.path would be read from PATH, which the system sets: give it a variable of its own"),
    "class-setting-type": (SETTINGS + "tags: list[str] | None = setting(None)\n" + CLASS + "settings: S\n    def predict(self): ...", "the setting S.tags is declared as list[str] | None, and must be a str, int, float, bool, Path or Literal"),
    "class-setting-default": (SETTINGS + "a: int = setting(30, minimum=1, maximum=10)\n" + CLASS + "settings: S\n    def predict(self): ...", "the setting S.a has the default 30, which is not allowed: expected a whole number of at least 1 and at most 10."),
    "class-batch-size": (CLASS + "max_batch_size = 'many'\n    def predict(self): ...", "the model's max_batch_size is 'many', and must be a whole number"),
    "class-batch-zero": (CLASS + "max_batch_size = 0\n    def predict(self): ...", "the model's max_batch_size is 0, and must be a whole number, 1 or more"),
    "class-batch-negative": (CLASS + "max_batch_size = -3\n    def predict(self): ...", "the model's max_batch_size is -3, and must be a whole number, 1 or more"),
    "class-idempotent": (CLASS + "idempotent = 'no'\n    def predict(self): ...", "the model's idempotent is 'no', and must be True or False"),
    "class-batch-method": (CLASS + "def max_batch_size(self): ...\n    def predict(self): ...", "the model's max_batch_size is a method, and must be a whole number"),
    "class-example": (CLASS + "def example(self): ...\n    def predict(self): ...", "the model's example is a method, and must be a payload"),
    "class-files": (CLASS + "files = 'a.bin'\n    def predict(self): ...", "the model's files is 'a.bin', and must be a tuple of PublishedFile: (PublishedFile(…),)"),
    "no-class": ("M = 5", "is neither a class derived from liftwing_host.Model nor a module"),
    "no-model": ("class M: ...", "is neither a class derived from liftwing_host.Model nor a module"),
    "class-missing": ("from liftwing_host import Model\nclass MM(Model): ...", "names 'M', which is not there. Did you mean MM? Entry points are in the plugin's pyproject.toml"),
    "no-function": ("def M(features): ...", "nor a module: it is a function. Entry points are in the plugin's pyproject.toml"),
    "module-argument": (MODULE + "def predict(featurs): ...", "predict has no argument 'featurs'; it can have features, request, model."),
    "module-spelling": (MODULE + "def predct(features): ...", "predct is no hook. Did you mean predict?"),
    "module-strange": (MODULE + "def infer(features): ...", "infer is no hook. The hooks are load, start, stop,"),
    "module-fetch": (MODULE + "def fetch(): ...\n@hookimpl\ndef predict(): ...", "fetch must be `async def`"),
    "module-no-predict": (MODULE + "def preprocess(): ...", "the plugin has no predict hook"),
    "module-unmarked": ("def predict(features): ...", "predict is not marked with @hookimpl, and would never run."),
    "module-settings": (SETTINGS + "a: int = setting(1)\nsettings = S()\n" + MODULE + "def predict(): ...", "module_settings.settings is assigned, which declares no settings: annotate it instead, `settings: S`."),
    "module-files": (MODULE + "def predict(): ...\nfiles = ['a.bin']", "the model's files is ['a.bin'], and must be a tuple of PublishedFile"),
    "module-half-marked": (MODULE + "def predict(): ...\ndef preprocess(payload): ...", "preprocess is not marked with @hookimpl"),
}  # fmt: skip


OF_CLASS_STATEMENT = ("class-partial", "class-property", "class-spelling")


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One host with all the mistakes, and a model that is well."""
    code = {name.replace("-", "_"): source for name, (source, _) in MISTAKES.items()}
    code["well"] = MODULE + "def predict(features, scale=2): return features * scale"
    models = {
        name: name.replace("-", "_") + ("" if name.startswith("module") else ":M") for name in MISTAKES
    } | {"well": "well"}
    folder = install(tmp_path_factory.mktemp("site"), "liftwing-plugin-mistaken", models=models, code=code)
    host = LiveHost([*models], wait=False, environ=path_with(folder), arguments=["--workers", "1"])
    host.wait_for(lambda: "well (liftwing-plugin-mistaken 1.0) is ready" in host.log, "the report")
    yield host
    host.stop()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_plugin_is_told_and_its_model_is_503(mistaken: LiveHost, name: str) -> None:
    told = mistaken.log.partition(f"{name} (liftwing-plugin-mistaken 1.0) is NOT READY: ")[2]
    told = re.split(r"^\d{4}-\d\d-\d\d ", told, maxsplit=1, flags=re.MULTILINE)[0]
    assert MISTAKES[name][1] in told
    assert not re.search(r"Plugin '\d+'", told), "an address in memory tells nobody anything"
    assert ("Traceback" in told) == (name in OF_CLASS_STATEMENT), (
        "that one is Python's own, of the class statement"
    )
    assert mistaken.get(f"/v1/models/{name}").status == 503


def test_a_mistake_harms_no_other_model_of_the_plugin(mistaken: LiveHost) -> None:
    assert mistaken.predict(4, "well") == 8
    assert "was never awaited" not in mistaken.log


# The module style


def test_a_module_of_functions_is_served_like_a_class(liftwing: Any) -> None:
    host = liftwing("functions", settings={"factor": 5}, arguments=["--workers", "1"])
    assert host.predict({"number": 3}) == {"functions": 15}


@pytest.mark.parametrize("workers", ["1", "0"])
def test_a_modules_settings_come_from_the_environment_too(liftwing: Any, workers: str) -> None:
    host = liftwing("functions", environ={"ZOO_FACTOR": "7"}, arguments=["--workers", workers])
    assert host.predict({"number": 3}) == {"functions": 21}


def test_the_api_imports_nothing_but_pluggy_and_the_standard_library() -> None:
    code = "import sys; before = set(sys.modules); import liftwing_host; print(*(set(sys.modules) - before))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    assert top == {"liftwing_host", "pluggy"}
