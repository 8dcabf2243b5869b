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
from liftwing_host.server.cli import main
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


def test_a_clash_is_told_in_both_lists(tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    import importlib_metadata

    def ended(command: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as end:
            main([command])
        return (end.value.code, *capfd.readouterr())

    def only_here(**wanted: Any) -> importlib_metadata.EntryPoints:
        """Not what else is installed, which takes long to import, and may be broken."""
        found = importlib_metadata.distributions(path=[str(tmp_path)])
        points = importlib_metadata.EntryPoints(point for each in found for point in each.entry_points)
        return points.select(**wanted)

    monkeypatch.setattr(importlib_metadata, "entry_points", only_here)
    monkeypatch.syspath_prepend(tmp_path)
    code = {"twice": "from liftwing_host import hookimpl\n@hookimpl\ndef predict(features): ..."}
    install(tmp_path, "liftwing-plugin-a", models={"twice": "twice", "once": "twice"}, code=code)
    assert ended("plugins") == (0, "liftwing-plugin-a 1.0\tok\n  once\t\n  twice\t\n", "")
    families = {"twice": "twice"}
    install(tmp_path, "liftwing-plugin-b", version="2.0", models={"twice": "twice"}, families=families)
    by_b, by_a = (
        f"also brought by liftwing-plugin-{each}; uninstall one of them" for each in ("b 2.0", "a 1.0")
    )
    listed = f"once\tliftwing-plugin-a 1.0\ntwice\tliftwing-plugin-a 1.0\t{by_b}\n"
    # A family's name is another.
    listed += f"twice\tliftwing-plugin-b 2.0\t{by_a}\nWIKI-twice\tliftwing-plugin-b 2.0\n"
    assert ended("models") == (0, listed, "")
    status, listed, said = ended("plugins")
    assert f"liftwing-plugin-a 1.0\tok\n  once\t\n  twice\t\t{by_b}\n" in listed
    assert f"  twice\t\t{by_a}\n  WIKI-twice\t\n" in listed
    assert (
        said == "Error: A model that is brought more than once cannot be served; its line tells what to do.\n"
    )
    assert status == 2


def test_a_distribution_that_brings_a_name_twice_is_told_in_the_list_too() -> None:
    other = Offer("x", False, "module:Other", "liftwing-plugin-a", "1.0")
    catalogue = Catalogue([offer("x"), other, offer("y")])
    assert [catalogue.clash(each) for each in catalogue.offers] == [
        "also brought as module:Other; leave one of them in its entry points",
        "also brought as module:Class; leave one of them in its entry points",
        "",
    ]


@pytest.mark.parametrize(
    ("group", "name", "asked", "meant"),
    [
        ("liftwing_host.model", "it", "it", "liftwing_host.models"),
        ("liftwing_host.modles", "my-it", "my-it", "liftwing_host.models"),
        ("liftwing_host.plugins", "it", "it", "liftwing_host.models"),
        ("liftwing_host.family", "rareness", "enwiki-rareness", "liftwing_host.families"),
    ],
)
def test_a_model_in_a_misspelt_group_is_told_with_the_right_one(
    group: str, name: str, asked: str, meant: str, tmp_path: Path
) -> None:
    install(tmp_path, "liftwing-plugin-it", others={group: {name: "it:It"}})
    done = liftwing_host("--model", asked, "--port", "0", environ=path_with(tmp_path))
    assert done.returncode == 2
    assert (
        f"No installed plugin brings a model named {asked!r}. liftwing-plugin-it 1.0 has an entry point named {name} "
        f"in the group {group}, which the host does not know. Write it into the group {meant} in the plugin's "
        "pyproject.toml, and install it again.\n"
    ) in done.stderr
    assert "pip install" not in done.stderr


def test_an_entry_point_of_another_name_or_of_another_program_is_no_misspelt_model(tmp_path: Path) -> None:
    others = {"liftwing_host.model": {"other": "it:It"}, "liftwing.models": {"it": "it:It"}}
    install(tmp_path, "liftwing-plugin-it", others=others)
    done = liftwing_host("--model", "it", "--port", "0", environ=path_with(tmp_path))
    assert "which the host does not know" not in done.stderr
    assert "No installed plugin brings a model named 'it'." in done.stderr


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
