"""What is installed: answered from metadata alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from distributions import install, path_with
from liftwing_host.errors import ConfigurationError, PluginNotFound
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.discovery import Catalogue, Offer, discover


def offer(name: str, distribution: str = "liftwing-plugin-a", *, family: bool = False) -> Offer:
    return Offer(name, family, "module:Class", distribution, "1.0")


def liftwing_host(*arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command, in an interpreter that sees only what it is given and the host itself."""
    return subprocess.run(
        [sys.executable, "-m", "liftwing_host.server", *arguments],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_plugin_is_found_by_its_metadata_and_never_imported(tmp_path: Path, monkeypatch: Any) -> None:
    install(
        tmp_path, "liftwing-plugin-trap", version="2.3", models={"trap": "trap:Model"},
        families={"traps": "trap:Model"}, code={"trap": "raise AssertionError('imported')"},
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    catalogue = discover()
    assert catalogue.find("trap") == Offer("trap", False, "trap:Model", "liftwing-plugin-trap", "2.3")
    assert catalogue.find("enwiki-traps").name == "traps"
    assert "trap" not in sys.modules


def test_a_family_answers_for_every_name_that_ends_in_its_own() -> None:
    catalogue = Catalogue([offer("goodfaith", family=True)])
    for name in ("enwiki-goodfaith", "zh-min-nan-goodfaith", "1-goodfaith"):
        assert catalogue.find(name).is_family
    for name in ("goodfaith", "-goodfaith", "enwikigoodfaith", "enwiki-goodfaith-2", "enwiki-Goodfaith"):
        with pytest.raises(PluginNotFound):
            catalogue.find(name)


def test_an_exact_name_beats_a_family() -> None:
    exact = offer("enwiki-goodfaith", "liftwing-plugin-b")
    catalogue = Catalogue([offer("goodfaith", family=True), exact])
    assert catalogue.find("enwiki-goodfaith") is exact
    assert catalogue.find("frwiki-goodfaith").is_family


@pytest.mark.parametrize("family", [False, True])
def test_two_distributions_with_one_name_are_an_error_that_names_both(family: bool) -> None:
    brought = [offer("x", f"liftwing-plugin-{name}", family=family) for name in "ab"]
    with pytest.raises(ConfigurationError) as error:
        Catalogue(brought).find("wiki-x" if family else "x")
    assert error.value.message == (
        f"The model {'wiki-x' if family else 'x'} is brought by liftwing-plugin-a 1.0 and liftwing-plugin-b 1.0. "
        "Uninstall one of them (pip uninstall NAME)."
    )


def test_one_distribution_that_brings_a_name_twice_is_not_to_be_uninstalled() -> None:
    other = Offer("x", False, "module:Other", "liftwing-plugin-a", "1.0")
    with pytest.raises(ConfigurationError) as error:
        Catalogue([offer("x"), other]).find("x")
    assert error.value.message == (
        "liftwing-plugin-a brings the model x more than once, as module:Class and as module:Other. "
        "Leave one of them in its entry points, and install it again."
    )


def test_a_distribution_that_is_seen_twice_counts_once() -> None:
    assert Catalogue([offer("x"), offer("x")]).find("x") == offer("x")


def test_a_clash_harms_no_other_model() -> None:
    catalogue = Catalogue([offer("x"), offer("x", "liftwing-plugin-b"), offer("y")])
    assert catalogue.find("y") == offer("y")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("ecko", "No installed plugin brings a model named 'ecko'. Did you mean echo?"),
        (
            "zzz",
            "No installed plugin brings a model named 'zzz'. If its plugin is not installed yet: "
            "pip install liftwing-plugin-NAME.",
        ),
        ("ech", "No installed plugin brings a model named 'ech'. Did you mean echo?"),
        ("e", "No installed plugin brings a model named 'e'. Did you mean echo?"),
        (
            "outlink-topic-modell",
            "No installed plugin brings a model named 'outlink-topic-modell'. outlink-topic-model is in a plugin "
            "that is not installed: pip install liftwing-plugin-outlink.",
        ),
        (
            "alex-net",
            "No installed plugin brings a model named 'alex-net'. alexnet is in a plugin that is not installed: "
            "pip install liftwing-plugin-alexnet.",
        ),
        (
            "lang-id",
            "No installed plugin brings a model named 'lang-id'. langid is in a plugin that is not installed: "
            "pip install liftwing-plugin-langid.",
        ),
        (
            "enwiki-goodfaif",
            "No installed plugin brings a model named 'enwiki-goodfaif'. Did you mean WIKI-goodfaith?",
        ),
        (
            "frwiki-damagin",
            "No installed plugin brings a model named 'frwiki-damagin'. frwiki-damaging is in a plugin "
            "that is not installed: pip install liftwing-plugin-revscoring.",
        ),
    ],
)
def test_a_wrong_name_is_answered_with_names_and_what_to_install(asked: str, told: str) -> None:
    with pytest.raises(PluginNotFound) as error:
        Catalogue([offer("echo"), offer("goodfaith", family=True)]).find(asked)
    assert error.value.message.startswith(told)
    assert error.value.message.endswith("`liftwing-host models` lists what can be served here.")


def test_offers_are_grouped_by_distribution() -> None:
    catalogue = Catalogue([offer("b"), offer("a"), offer("c", "liftwing-plugin-b")])
    assert catalogue.by_distribution() == {
        ("liftwing-plugin-a", "1.0"): [offer("a"), offer("b")],
        ("liftwing-plugin-b", "1.0"): [offer("c", "liftwing-plugin-b")],
    }


# End to end


def test_a_model_of_a_family_is_served_under_its_own_name(liftwing: Any) -> None:
    host: LiveHost = liftwing("enwiki-family", "dewiki-family", arguments=["--workers", "1"])
    assert host.get("/v1/models").json() == {"models": ["enwiki-family", "dewiki-family"]}
    assert host.predict({"a": 1}, "dewiki-family") == {"a": 1}
    assert host.get("/v1/models/frwiki-family").status == 404


def test_a_wrong_name_ends_the_command_with_a_suggestion_and_no_traceback(tmp_path: Path) -> None:
    done = liftwing_host("--model", "ekho", "--port", "0", environ=path_with(tmp_path))
    assert done.returncode == 2
    assert "Error: No installed plugin brings a model named 'ekho'. Did you mean echo?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_clash_ends_the_command_with_both_names(tmp_path: Path) -> None:
    for name in ("liftwing-plugin-a", "liftwing-plugin-b"):
        install(tmp_path, name, models={"twice": "nowhere:Model"})
    done = liftwing_host("--model", "twice", "--port", "0", environ=path_with(tmp_path))
    assert done.returncode == 2
    assert "brought by liftwing-plugin-a 1.0 and liftwing-plugin-b 1.0." in done.stderr


def test_a_host_without_a_model_to_serve_says_so(tmp_path: Path) -> None:
    done = liftwing_host("serve", "--port", "0", environ=path_with(tmp_path))
    assert done.returncode == 2
    assert "Error: No model to serve. Name one with --model NAME;" in done.stderr


def test_where_nothing_is_installed_the_list_says_what_to_do(tmp_path: Path, monkeypatch: Any) -> None:
    import importlib_metadata

    monkeypatch.setattr(importlib_metadata, "entry_points", lambda **_: importlib_metadata.EntryPoints())
    assert discover().offers == []
    with pytest.raises(
        PluginNotFound, match="If its plugin is not installed yet: pip install liftwing-plugin-NAME"
    ):
        discover().find("anything")
