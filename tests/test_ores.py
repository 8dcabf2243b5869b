"""ORES' URLs in front of a real host: what its clients get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distributions import path_with
from liftwing_host.pytest_plugin import LiveHost
from ores import NAMES, SCORE, error, folder, host, score

__all__ = ["folder", "host"]


def test_versions_are_told_once_the_models_have_answered(
    liftwing: Callable[..., LiveHost], folder: Path
) -> None:
    live = liftwing("enwiki-damaging", "enwiki-goodfaith", environ=path_with(folder))
    unknown, known = {"version": None}, {"version": "0.5.1"}
    assert live.get("/v3/scores").json() == {
        "enwiki": {"models": {"damaging": unknown, "goodfaith": unknown}}
    }
    failed = live.get("/v3/scores/enwiki/404/goodfaith").json()
    assert failed["enwiki"]["models"] == {"goodfaith": unknown}
    mixed = live.get("/v3/scores/enwiki?models=goodfaith&revids=12|404").json()
    assert mixed["enwiki"]["models"] == {"goodfaith": known}
    failed = live.get("/v3/scores/enwiki/404/goodfaith").json()
    assert failed["enwiki"]["models"] == {"goodfaith": known}
    assert live.get("/v3/scores/enwiki").json() == {
        "enwiki": {"models": {"damaging": unknown, "goodfaith": known}}
    }


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_wikis_are_those_of_the_names_that_the_host_serves(host: LiveHost, slash: str) -> None:
    listed = {wiki: list(told["models"]) for wiki, told in host.get(f"/v3/scores{slash}").json().items()}
    assert list(listed.items()) == [
        ("enwiki", ["articlequality", "damaging", "goodfaith"]),
        ("frwiki", ["goodfaith"]),
        ("wikidatawiki", ["itemquality"]),
    ]
    of_wiki = host.get(f"/v3/scores/enwiki{slash}?models=goodfaith|wp10").json()
    assert [list(told["models"]) for told in of_wiki.values()] == [["goodfaith", "wp10"]]
    assert list(host.get(f"/v3/scores/enwiki{slash}?models=&revids=").json()["enwiki"]) == ["models"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_score_is_written_as_ores_wrote_it(host: LiveHost, slash: str) -> None:
    reply = host.get(f"/v3/scores/enwiki/12345/articlequality{slash}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.body.decode() == "\n".join([
        "{",
        '  "enwiki": {',
        '    "models": {',
        '      "articlequality": {',
        '        "version": "0.5.1"',
        "      }",
        "    }, ",
        '    "scores": {',
        '      "12345": {',
        '        "articlequality": {',
        '          "score": {',
        '            "prediction": "Łódź", ',
        '            "probability": {',
        '              "true": 0.75',
        "            }",
        "          }",
        "        }",
        "      }",
        "    }",
        "  }",
        "}",
    ])  # fmt: skip


@pytest.mark.parametrize("slash", ["", "/"])
def test_scores_of_several_revisions_and_models_come_as_one_document(host: LiveHost, slash: str) -> None:
    known = {"version": "0.5.1"}
    reply = host.get(f"/v3/scores/enwiki{slash}?models=goodfaith%7Cdamaging&revids=12|7|12")
    assert reply.json() == {
        "enwiki": {
            "models": {"goodfaith": known, "damaging": known},
            "scores": {
                "12": {"goodfaith": SCORE, "damaging": SCORE},
                "7": {"goodfaith": SCORE, "damaging": SCORE},
            },
        }
    }
    one = host.get(f"/v3/scores/enwiki/12{slash}?models=damaging").json()
    assert one == {"enwiki": {"models": {"damaging": known}, "scores": {"12": {"damaging": SCORE}}}}
    by_all = host.get(f"/v3/scores/enwiki/12{slash}").json()["enwiki"]
    assert list(by_all["scores"]["12"]) == ["articlequality", "damaging", "goodfaith"]


def test_wp10_is_articlequality_under_its_old_name(host: LiveHost) -> None:
    both = host.get("/v3/scores/enwiki/12?models=wp10|articlequality").json()["enwiki"]
    assert list(both["models"]) == ["wp10", "articlequality"]
    scores = both["scores"]["12"]
    assert list(scores) == ["wp10", "articlequality"]
    assert scores["wp10"] == scores["articlequality"]
    assert "score" in score(host, 12, "wp10")
    assert error(host, "/v3/scores/frwiki/12/wp10") == (
        400, "not found", "Models ('wp10',) not available for frwiki",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", False), ("?features", True), ("?features=", True), ("?features=true", True), ("?features=1", True),
        ("?features=False", False), ("?features=0", False), ("?features=0&features=y", True),
    ],
)  # fmt: skip
def test_features_come_with_the_score_where_they_are_asked_for(
    host: LiveHost, query: str, wanted: bool
) -> None:
    for path in ("/v3/scores/enwiki/12/goodfaith", "/v3/scores/enwiki/12"):
        told = host.get(path + query).json()["enwiki"]["scores"]["12"]["goodfaith"]
        assert ("features" in told) == wanted
        assert not wanted or told["features"]["feature.chars"] == 30.0


@pytest.mark.parametrize(
    ("revision", "message", "kind"),
    [
        (404, "RevisionNotFound: Could not find revision ({revision}:404)", "RevisionNotFound"),
        (1, "Missing resource for rev-id 1: {no such thing}", "Bad Request"),
        (
            2,
            "An error happened while fetching feature values from the MediaWiki API",
            "Internal Server Error",
        ),
        (4, "The model's answer is not in the shape of ORES.", "Internal Server Error"),
        (5, "The model's answer is not in the shape of ORES.", "Internal Server Error"),
    ],
)
def test_a_score_that_cannot_be_had_is_an_error_in_its_place(
    host: LiveHost, revision: int, message: str, kind: str
) -> None:
    assert score(host, revision) == {"error": {"message": message, "type": kind}}
    beside = host.get(f"/v3/scores/enwiki?models=goodfaith&revids={revision}|12").json()["enwiki"]
    assert beside["scores"][str(revision)]["goodfaith"] == {"error": {"message": message, "type": kind}}
    assert beside["scores"]["12"]["goodfaith"] == SCORE


def test_the_reason_of_a_fault_stays_in_the_log(host: LiveHost) -> None:
    told = score(host, 3)["error"]
    assert told["type"] == "Internal Server Error"
    assert "secret reason" not in told["message"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v3/scores/dewiki", (404, "not found", "No scorers available for dewiki")),
        ("/v3/scores/dewiki/12/goodfaith", (404, "not found", "No scorers available for dewiki")),
        ("/v3/scores/enwiki?models=goodfaith|own", (400, "not found", "Models ('own',) not available for enwiki")),
        ("/v3/scores/enwiki/12/itemtopic", (400, "not found", "Models ('itemtopic',) not available for enwiki")),
        ("/v3/scores/enwiki/12/a%7Cb", (400, "not found", "Models ('a|b',) not available for enwiki")),
        *((path, (400, "not found", "ORES support for v1 has been deprecated. Please use v3.")) for path in (
            "/scores", "/scores/", "/scores/enwiki", "/scores/enwiki/1/goodfaith/", "/v1/scores", "/v1/scores/enwiki/1",
        )),
        *((path, (400, "bad request", 'Expected revids to be whole numbers, joined by "|".')) for path in (
            "/v3/scores/enwiki?revids=1|x", "/v3/scores/enwiki?revids=1|", "/v3/scores/enwiki?revids=-1",
            "/v3/scores/enwiki?revids=9223372036854775808", "/v3/scores/enwiki?revids=%D9%A3",
            "/v3/scores/enwiki/x", "/v3/scores/enwiki/1%7C2", "/v3/scores/enwiki/1.0/goodfaith",
        )),
        ("/v3/scores/enwiki/1?features=maybe", (400, "bad request", "Expected features to be true or false.")),
    ],
)  # fmt: skip
def test_a_request_that_gets_no_scores_says_why_in_ores_envelope(
    host: LiveHost, path: str, expected: tuple[int, str, str]
) -> None:
    assert error(host, path) == expected


@pytest.mark.parametrize("parameter", ["model_info", "inject", "callback"])
@pytest.mark.parametrize(
    "path", ["/v3/scores", "/v3/scores/enwiki", "/v3/scores/enwiki/12", "/v3/scores/enwiki/12/goodfaith"]
)
def test_what_ores_had_and_lift_wing_has_not_is_refused(host: LiveHost, path: str, parameter: str) -> None:
    expected = f"{parameter} query parameter is not supported by this endpoint anymore. "
    for query in (parameter, f"{parameter}=x"):
        status, code, message = error(host, f"{path}?{query}")
        assert (status, code, message.startswith(expected)) == (400, "bad request", True)


def test_large_answers_are_put_together_too(host: LiveHost) -> None:
    reply = host.get("/v3/scores/enwiki/7/goodfaith?features")
    assert reply.json()["enwiki"]["scores"]["7"]["goodfaith"]["features"]["many"] == ["Łódź"] * 20000


def test_the_hosts_own_urls_stay_as_they_are(host: LiveHost) -> None:
    assert json.loads(host.get("/v1/models").body)["models"] == list(NAMES)
    assert host.get("/v2/scores").json() == {"error": "Not Found"}
    assert host.request("POST", "/v3/scores/enwiki/12", b"{}").status == 405
