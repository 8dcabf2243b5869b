"""What the operator may set, where, and what is said when it is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.errors import ConfigurationError
from liftwing_host.server.configuration import read
from liftwing_host.server.settings import HostSettings, Settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LIFTWING_"):
            monkeypatch.delenv(name)


def from_file(tmp_path: Path, text: str, flags: Mapping[str, Any] | None = None) -> Settings:
    path = tmp_path / "liftwing.toml"
    path.write_text(text)
    return read(flags or {}, (), path)


def told(tmp_path: Path, text: str) -> str:
    """What is said about a file that is wrong, without the file's name, which begins it."""
    with pytest.raises(ConfigurationError) as error:
        from_file(tmp_path, text)
    assert error.value.message.startswith(str(tmp_path / "liftwing.toml"))
    return error.value.message.removeprefix(str(tmp_path / "liftwing.toml"))


# The host's own


def test_nobody_has_to_set_anything() -> None:
    host = read({}).host
    assert (host.port, host.workers, host.timeout, host.max_body_size) == (8080, None, 60.0, 100 << 20)
    assert (host.expose_errors, host.log_level, host.queue_size) == (False, "info", 128)


def test_flags_win_over_the_environment_which_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "port = 1\nworkers = 1\ntimeout = 1\n"
    monkeypatch.setenv("LIFTWING_WORKERS", "2")
    monkeypatch.setenv("LIFTWING_TIMEOUT", "2")
    host = from_file(tmp_path, text, {"timeout": 3.0, "port": None}).host
    assert (host.port, host.workers, host.timeout) == (1, 2, 3.0)


def test_zero_and_false_are_values_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTWING_WORKERS", "0")
    monkeypatch.setenv("LIFTWING_DEMO", "false")
    host = from_file(tmp_path, "workers = 3\ndemo = true\nport = 5", {"port": 0}).host
    assert (host.workers, host.demo, host.port) == (0, False, 0)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFTWING_PORT", "")
    monkeypatch.setenv("LIFTWING_CONFIG", "")
    monkeypatch.setenv("LIFTWING_MODELS", "")
    assert (read({}).host.port, read({}).models) == (8080, ())


LIFT_WINGS = (
    "asyncio_use_process_pool",
    "asyncio_aux_workers",
    "preprocess_mp",
    "inference_mp",
    "requests_ca_bundle",
)


def test_every_setting_of_the_host_has_a_variable_of_its_own() -> None:
    for each in fields(HostSettings):
        own = f"LIFTWING_{each.name.upper()}"
        assert each.metadata["env"] == (each.name.upper() if each.name in LIFT_WINGS else own)


def test_a_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text("port = 7")
    monkeypatch.setenv("LIFTWING_CONFIG", str(tmp_path / "a.toml"))
    assert read({}).host.port == 7


def test_models_are_named_by_flags_or_a_variable_or_the_tables_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[models.b]\n[models.a]\n"
    assert from_file(tmp_path, text).models == ("b", "a")
    monkeypatch.setenv("LIFTWING_MODELS", "x, y z,x")
    assert from_file(tmp_path, text).models == ("x", "y", "z")
    assert read({}, ("p", "q", "p"), tmp_path / "liftwing.toml").models == ("p", "q")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "70000", "a whole number of at least 0 and at most 65535 (0 takes a free one)"),
        (
            "WORKERS",
            "-1",
            "a whole number of at least 0 and at most 1024 (compute workers of each plugin; 0: one process for all)",
        ),
        (
            "WORKERS",
            "two",
            "a whole number of at least 0 and at most 1024 (compute workers of each plugin; 0: one process for all)",
        ),
        (
            "WORKERS",
            "1025",
            "a whole number of at least 0 and at most 1024 (compute workers of each plugin; 0: one process for all)",
        ),
        ("TIMEOUT", "0", "a number greater than 0 (seconds that a request may take)"),
        ("TIMEOUT", "nan", "a number greater than 0 (seconds that a request may take)"),
        ("LOG_LEVEL", "loud", "one of 'debug', 'info', 'warning', 'error'"),
        ("DEMO", "maybe", "true or false (serve the demo models that plugins bring)"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(f"LIFTWING_{name}", value)
    with pytest.raises(ConfigurationError) as error:
        read({})
    assert error.value.message == f"LIFTWING_{name}={value!r} is not allowed: expected {allowed}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", ": unknown key 'prot'. Did you mean 'port'?"),
        ("[plugin.zoo]\nworkers = 1", ": unknown key 'plugin'. Did you mean 'plugins'?"),
        ("[plugins.zoo]\nworkrs = 1", ": [plugins.zoo]: unknown key 'workrs'. Did you mean 'workers'?"),
        ("port = '80'", " port='80' is not allowed: expected a whole number of at least 0 and at most 65535"),
        ("port = 80.0", " port=80.0 is not allowed: expected a whole number"),
        ("workers = true", " workers=True is not allowed: expected a whole number"),
        ("downloads = '~no-such-user/a'", " downloads='~no-such-user/a' is not allowed: expected a path"),
        ("demo = 1", " demo=1 is not allowed: expected true or false"),
        (
            "[models.a]\ntimeout = 0",
            ": [models.a] timeout=0 is not allowed: expected a number greater than 0",
        ),
        ("models = 1", ": models must be a table of tables, such as [models.NAME]."),
        ("[models]\na = 1", ": models must be a table of tables, such as [models.NAME]."),
        ("plugins = []", ": plugins must be a table of tables, such as [plugins.NAME]."),
        ("port = ", " is not a TOML file: Invalid value (at end of document)."),
        ("port = 1\nLIFTWING_PORT = 2", ": 'LIFTWING_PORT' and 'port' are the same setting; keep one"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert told(tmp_path, text).startswith(message)


def test_an_unknown_key_without_a_near_one_lists_the_known_ones(tmp_path: Path) -> None:
    assert told(tmp_path, "zzzzzz = 1").startswith(
        ": unknown key 'zzzzzz'. Known keys: port, address, http, workers,"
    )


def test_a_file_that_is_not_there_or_no_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        read({}, (), tmp_path / "nope.toml")
    assert error.value.message == (
        f"Cannot read the configuration file {tmp_path / 'nope.toml'}: No such file or directory."
    )
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read({}, (), tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"address = '\xe9'")
    with pytest.raises(ConfigurationError, match="is not a TOML file"):
        read({}, (), tmp_path / "latin.toml")


def test_a_models_settings_stand_where_they_are_set_and_are_the_hosts_elsewhere(tmp_path: Path) -> None:
    settings = from_file(
        tmp_path, "timeout = 9\nexpose_errors = true\n[models.a]\ntimeout = 1\nexpose_errors = false"
    )
    assert (settings.of_model("a").timeout, settings.of_model("a").expose_errors) == (1.0, False)
    assert (settings.of_model("b").timeout, settings.of_model("b").expose_errors) == (9.0, True)
    assert (settings.of_model("b").queue_size, settings.of_model("b").idempotent) == (128, None)


def test_the_rest_of_a_models_table_is_the_plugins(tmp_path: Path) -> None:
    settings = from_file(tmp_path, "[models.a]\ntimeout = 1\nweight = 2\nWIKI_URL = 'x'")
    assert settings.model_tables == {"a": {"weight": 2, "WIKI_URL": "x"}}


def test_a_plugins_workers_win_over_the_hosts(tmp_path: Path) -> None:
    settings = from_file(
        tmp_path, "workers = 3\n[plugins.a]\nworkers = 0\n[plugins.liftwing-plugin-b]\nworkers = 1"
    )
    assert [settings.of_plugin(f"liftwing-plugin-{name}", 9).workers for name in "abc"] == [0, 1, 3]
    assert read({}).of_plugin("liftwing-plugin-a", 9).workers == 9


@pytest.mark.parametrize(
    ("table", "distribution"),
    [
        ("acme-topics", "acme-topics"),
        ("acme-topics", "Acme_Topics"),
        ("ACME_topics", "acme.topics"),
        ("acme_topics", "liftwing-plugin-acme-topics"),
        ("acme-topics", "Liftwing_Plugin_Acme_Topics"),
        ("liftwing_plugin_acme_topics", "liftwing-plugin-acme-topics"),
    ],
)
def test_a_plugins_table_is_found_by_every_spelling_of_its_name(
    tmp_path: Path, table: str, distribution: str
) -> None:
    settings = from_file(tmp_path, f"[plugins.{table}]\nworkers = 5")
    assert settings.of_plugin(distribution, 9).workers == 5
    assert settings.of_plugin(f"{distribution}-more", 9).workers == 9


def test_a_plugins_full_name_wins_over_the_short_one(tmp_path: Path) -> None:
    settings = from_file(tmp_path, "[plugins.liftwing-plugin-a]\nworkers = 1\n[plugins.a]\nworkers = 2\n")
    assert [settings.of_plugin(name, 9).workers for name in ("liftwing-plugin-a", "a")] == [1, 2]


def test_two_tables_of_one_plugin_are_an_error(tmp_path: Path) -> None:
    assert told(tmp_path, "[plugins.a-b]\n[plugins.A_b]\n") == (
        ": [plugins.A_b] and another table name the same plugin; keep one."
    )


def test_a_plugin_that_is_not_called_liftwing_plugin_has_its_table(liftwing: Any, tmp_path: Path) -> None:
    code = "from liftwing_host import Model\nclass Acme(Model):\n    def predict(self, features): return features"
    site = install(tmp_path, "Acme_Topics", models={"acme": "acme:Acme"}, code={"acme": code})
    host = liftwing("acme", config={"plugins": {"acme-topics": {"workers": 3}}}, environ=path_with(site))
    host.wait_for(lambda: len(proc.named(host, r"lw-compute-\d+")) == 3, "three workers")
    assert "tables for what is not served" not in host.log


def test_a_variable_that_looks_like_one_of_the_hosts_is_told_and_others_are_let_be(liftwing: Any) -> None:
    misspelt = {"LIFTWING_TIMEUOT": "5", "LIFTWING_MODEL": "slow"}
    of_others = {"LIFTWING_SERVICE_PORT": "80", "LIFTWING_PORT": "tcp://10.0.0.1:80", "LIFTWING_TOKEN": "x"}
    host = liftwing("echo", environ=misspelt | of_others)
    assert "LIFTWING_TIMEUOT is none of the host's variables; did you mean LIFTWING_TIMEOUT?" in host.log
    assert "LIFTWING_MODEL is none of the host's variables; did you mean LIFTWING_MODELS?" in host.log
    assert host.log.count("none of the host's variables") == len(misspelt)
