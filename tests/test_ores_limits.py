"""ORES' URLs in front of a real host: how many scores, how many at once, for how long, and whose time it is."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from distributions import path_with
from liftwing_host.pytest_plugin import LiveHost
from ores import SCORE, error, folder, host, revisions
from raw_http import RawClient

__all__ = ["folder", "host"]


def test_twenty_scores_are_a_few_at_a_time_and_one_more_is_refused(host: LiveHost) -> None:
    twenty = host.get(f"/v3/scores/enwiki?models=goodfaith|damaging&revids={revisions(10)}&features")
    told = [of for scores in twenty.json()["enwiki"]["scores"].values() for of in scores.values()]
    assert len(told) == 20
    assert max(of["features"]["seen"] for of in told) == 5
    status, code, message = error(
        host, f"/v3/scores/enwiki?models=goodfaith|damaging|articlequality&revids={revisions(7)}"
    )
    assert (status, code) == (400, "too many requests")
    assert message == (
        "Scoring more than 20 scores is not supported anymore by this endpoint. You are requesting 21 ORES scores "
        "which is above the supported limit of 20 for a single request. Please break down your request into "
        "smaller chunks or consider using the /v3/scores/{context}/{revid} endpoint to score one revision at a "
        "time. For more information please visit https://wikitech.wikimedia.org/wiki/ORES"
    )
    repeated = "|".join(["12"] * 30)
    assert host.get(f"/v3/scores/enwiki?models=goodfaith&revids={repeated}").status == 200


def test_the_operator_sets_the_limit(liftwing: Callable[..., LiveHost], folder: Path) -> None:
    live = liftwing("enwiki-goodfaith", environ={**path_with(folder), "LW_REQUEST_LIMIT": "2"})
    assert live.get("/v3/scores/enwiki?revids=1|2").status == 200
    assert error(live, "/v3/scores/enwiki?revids=1|2|3")[2].startswith("Scoring more than 2 scores is ")


def test_a_wrong_limit_ends_the_host_with_a_message_that_names_it(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "liftwing_host.server", "--model", "enwiki-goodfaith", "--port", "0"],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", **path_with(folder), "LW_REQUEST_LIMIT": "none"},
    )  # fmt: skip
    assert ended.returncode == 2
    assert "LW_REQUEST_LIMIT='none' is not allowed" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_models_are_asked_under_the_clients_request_id_and_within_its_time(host: LiveHost) -> None:
    path = f"/v3/scores/enwiki?models=goodfaith&revids={revisions(6)}&features"
    reply = host.request("GET", path, headers={"x-request-id": "of-a-client", "x-request-timeout": "20"})
    assert reply.headers["x-request-id"] == "of-a-client"
    told = [of["goodfaith"]["features"] for of in reply.json()["enwiki"]["scores"].values()]
    assert {of["id"] for of in told} == {"of-a-client"}
    left = sorted(float(of["timeout"]) for of in told)
    assert left[-1] <= 20.0
    assert left[0] < 19.95, "the sixth had to wait for one of the others"


def test_a_clients_time_that_is_over_is_an_error_of_each_score(host: LiveHost) -> None:
    reply = host.request(
        "GET", "/v3/scores/enwiki?models=goodfaith&revids=60|12", headers={"x-request-timeout": "0.5"}
    )
    scores = reply.json()["enwiki"]["scores"]
    assert scores["60"]["goodfaith"]["error"]["type"] == "Gateway Timeout"
    assert scores["12"]["goodfaith"] == SCORE
    wrong = host.request("GET", "/v3/scores/enwiki/12", headers={"x-request-timeout": "soon"})
    assert (wrong.status, wrong.json()["detail"]["error"]["code"]) == (400, "bad request")


def test_a_client_that_leaves_ends_all_its_scores(host: LiveHost, folder: Path) -> None:
    notes = folder / "notes"
    notes.unlink(missing_ok=True)
    with RawClient(host.port) as client:
        client.send(b"GET /v3/scores/enwiki/60 HTTP/1.1\r\nHost: x\r\n\r\n")
        host.get("/v3/scores/enwiki/12")
    host.wait_for(lambda: notes.exists() and notes.read_text() == "cancelled\n" * 3, "three cancellations")


def test_a_host_that_is_too_busy_for_all_is_a_503_and_one_that_is_for_some_is_not(
    liftwing: Callable[..., LiveHost], folder: Path
) -> None:
    live = liftwing(
        "enwiki-goodfaith",
        "enwiki-damaging",
        environ=path_with(folder),
        arguments=["--workers", "1"],
        config={"models": {"enwiki-goodfaith": {"queue_size": 0}}},
    )
    busy = threading.Thread(target=live.post, args=({"rev_id": 50, "extended_output": False},))
    busy.start()
    # Asked before that one has come to its worker, another would take its place.
    live.wait_for((folder / "busy").exists, "a host that is busy")
    reply = live.get("/v3/scores/enwiki/12/goodfaith")
    busy.join()
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    told = reply.json()["enwiki"]["scores"]["12"]["goodfaith"]["error"]
    assert told["type"] == "Service Unavailable"
    assert "overloaded" in told["message"]
    mixed = live.get("/v3/scores/enwiki?models=damaging&revids=6|12")
    assert mixed.status == 200
    assert "retry-after" not in mixed.headers
    scores = mixed.json()["enwiki"]["scores"]
    assert scores["6"]["damaging"] == {"error": {"message": "Busy.", "type": "Service Unavailable"}}
    assert scores["12"]["damaging"] == SCORE
    without = live.get("/v3/scores/enwiki/6/damaging")
    assert (without.status, "retry-after" in without.headers) == (503, False)
