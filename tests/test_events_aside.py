"""What EventGate does not take is kept aside, shown, and sent again or forgotten as the operator says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import COMMAND, run
from eventgate.stand_in import StandIn
from liftwing_host.pytest_plugin import LiveHost
from tells import as_json, environ, event, hosts, ids, metric, tell, with_ids


@pytest.fixture
def host(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> LiveHost:
    return hosts(liftwing, tmp_path, eventgate, EVENTGATE_ATTEMPTS="3")


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def events(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run("events", *arguments, LIFTWING_EVENTS=str(tmp_path / "events.sqlite"))

    return events


def test_an_invalid_event_is_kept_aside_and_the_log_the_metric_and_the_command_show_it(
    host: LiveHost, eventgate: StandIn, command: Any
) -> None:
    (bad,) = with_ids(1)
    bad["rev_id"] = "two"
    good = with_ids(1)
    tell(host, bad)
    tell(host, *good)
    host.wait_for(lambda: eventgate.ids() == ids(good), "the valid one")
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 1, "the invalid one")
    assert metric(host, "liftwing_events_rejected_total", stream="a") == 1
    (key,) = ids([bad])
    assert f"event {key} of model tells, stream a, was not taken: .rev_id 'two' is not of type" in host.log
    (listed,) = as_json(command("list", "--json").stdout)
    assert (listed["id"], listed["model"], listed["stream"]) == (key, "tells", "a")
    assert ".rev_id 'two' is not of type 'integer'" in listed["reason"]
    assert command("list").stdout.startswith(f"{key}\t20")


def test_of_a_batch_only_the_invalid_ones_are_kept_aside(
    host: LiveHost, eventgate: StandIn, command: Any
) -> None:
    eventgate.hold()
    told = with_ids(30)
    for each in told[::7]:
        each["surplus"] = True
    for each in told:
        tell(host, each)
    eventgate.answer_all()
    host.wait_for(lambda: len(eventgate.accepted) == 25, "the valid ones")
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 5, "the invalid ones")
    assert eventgate.ids() == [key for index, key in enumerate(ids(told)) if index % 7]
    assert [each["id"] for each in as_json(command("list", "--json").stdout)] == ids(told[::7])
    assert any(len(post.events) > 1 for post in eventgate.posts)


@pytest.mark.parametrize("change", [{"$schema": "/mediawiki/revision/score/9.0.0"}, {"$schema": None}])
def test_what_eventgate_fails_at_is_tried_some_times_and_then_kept_aside(
    host: LiveHost, eventgate: StandIn, command: Any, change: Any
) -> None:
    told = with_ids(4)
    told[1] |= change
    tell(host, *told)
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 1, "it kept aside")
    host.wait_for(lambda: len(eventgate.ids()) == 3, "the others")
    key = told[1]["meta"]["id"]
    assert sum(key in ids(post.events) for post in eventgate.posts) == 3
    (listed,) = as_json(command("list", "--json").stdout)
    assert listed["id"] == key
    assert "(tried 3 times)" in listed["reason"]
    assert "schema" in listed["reason"]


def test_retry_sends_it_under_the_same_id_once_the_fault_is_mended(
    host: LiveHost, eventgate: StandIn, command: Any
) -> None:
    eventgate.rejects = lambda _: True
    told = with_ids(3)
    tell(host, *told)
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 3, "all kept aside")
    eventgate.rejects = lambda _: False
    done = command("retry", ids(told)[1])
    assert (done.returncode, done.stdout) == (0, "1 event will be sent again.\n")
    host.wait_for(lambda: eventgate.ids() == ids(told)[1:2], "the one")
    done = command("retry", "--all")
    assert done.stdout == "2 events will be sent again.\n"
    host.wait_for(lambda: eventgate.ids() == [ids(told)[n] for n in (1, 0, 2)], "the others, in their order")
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 0, "nothing aside")
    assert command("list").stdout == ""


def test_drop_forgets_it(host: LiveHost, eventgate: StandIn, command: Any) -> None:
    eventgate.rejects = lambda _: True
    told = with_ids(3)
    tell(host, *told)
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 3, "all kept aside")
    done = command("drop", ids(told)[0], "nobody")
    assert (done.returncode, done.stdout) == (1, "1 event forgotten.\n")
    assert "Not among the events that EventGate did not take: nobody." in done.stderr
    assert [each["id"] for each in as_json(command("list", "--json").stdout)] == ids(told)[1:]
    assert command("drop", "--all").stdout == "2 events forgotten.\n"
    assert command("list", "--json").stdout == ""
    assert host.stop() == 0
    assert eventgate.accepted == []


def test_the_commands_work_where_no_host_runs_and_where_none_ever_did(
    host: LiveHost, eventgate: StandIn, command: Any, tmp_path: Path
) -> None:
    eventgate.rejects = lambda _: True
    tell(host, *with_ids(1))
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 1, "it kept aside")
    assert host.stop() == 0
    assert len(as_json(command("list", "--json").stdout)) == 1
    none = run("events", "list", LIFTWING_EVENTS=str(tmp_path / "none.sqlite"))
    assert (none.returncode, none.stdout) == (0, "")
    assert "No host has kept events in" in none.stderr
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("arguments", [["retry"], ["drop"], ["drop", "--all", "one"]])
def test_nothing_is_changed_unless_it_is_said_what(command: Any, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "Name the events by their ids, or all of them by --all." in done.stderr


def test_a_file_that_holds_something_else_is_an_error_that_says_so(command: Any, tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_bytes(b"something else entirely" * 100)
    done = command("list")
    assert done.returncode == 2
    assert "file is not a database. Set LIFTWING_EVENTS" in done.stderr


def test_on_a_terminal_the_list_is_a_table(host: LiveHost, eventgate: StandIn, tmp_path: Path) -> None:
    eventgate.rejects = lambda _: True
    (bad,) = with_ids(1)
    tell(host, bad)
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 1, "it kept aside")
    seen = on_a_terminal("events", "list", LIFTWING_EVENTS=str(tmp_path / "events.sqlite"))
    assert "│" in seen
    assert bad["meta"]["id"] in seen


def on_a_terminal(*arguments: str, **variables: str) -> str:
    ours, theirs = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while chunk := os.read(ours, 4096):
                seen.append(chunk)
        except OSError:
            return  # The end of a terminal.

    reading = threading.Thread(target=read)
    reading.start()
    subprocess.run(
        [*COMMAND, *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, check=True, env=os.environ | {"COLUMNS": "200"} | variables,
    )  # fmt: skip
    os.close(theirs)
    reading.join()
    os.close(ours)
    return b"".join(seen).decode()


# Sent before the answer, as Lift Wing does it

CONTACT = "lease contact the ML team if the issue persists."
REJECTED = f"The event posted to EventGate has been rejected, p{CONTACT}"
BROKEN = f"Connection error while trying to post the event to EventGate. P{CONTACT}"
UNEXPECTED = (
    "Unexpected error happened while the event was posted to EventGate, "
    f"there is the possibility that it never reached it. P{CONTACT}"
)


@pytest.fixture
def sync(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> LiveHost:
    return hosts(liftwing, tmp_path, eventgate, EVENTGATE_DELIVERY="sync", AIOHTTP_CLIENT_TIMEOUT="0.5")


def test_in_sync_mode_the_event_is_there_before_the_answer(
    sync: LiveHost, eventgate: StandIn, tmp_path: Path
) -> None:
    told = with_ids(2)
    tell(sync, *told)
    assert eventgate.ids() == ids(told)
    assert [type(post.body) for post in eventgate.posts] == [dict, dict]
    assert metric(sync, "liftwing_events_sent_total", stream="a") == 2
    assert not (tmp_path / "events.sqlite").exists()


@pytest.mark.parametrize(
    ("fault", "text"),
    [("invalid", REJECTED), ("500", REJECTED), ("down", BROKEN), ("breaks", BROKEN), ("slow", UNEXPECTED)],
)
def test_in_sync_mode_a_failure_is_lift_wings_error_with_the_score_beside_it(
    sync: LiveHost, eventgate: StandIn, fault: str, text: str
) -> None:
    told = event()
    if fault == "invalid":
        told["rev_id"] = "two"
    elif fault == "500":
        eventgate.status = lambda _: 500
    elif fault == "down":
        eventgate.down()
    elif fault == "breaks":
        eventgate.breaks_after = 0
    else:
        eventgate.hold()
    reply = sync.post({"tell": told})
    assert reply.status == 500
    assert reply.json() == {"error": text, "response": {"score": 1}}
    assert metric(sync, "liftwing_events_lost_total", stream="a") == 1


def test_certificates_that_are_not_there_are_an_error_that_names_them(
    tmp_path: Path, eventgate: StandIn
) -> None:
    more = {"EVENTGATE_URL": "https://127.0.0.1:1/", "REQUESTS_CA_BUNDLE": "/nowhere.pem"}
    done = run("--model", "tells", "--port", "0", **environ(tmp_path, eventgate) | more)
    assert done.returncode == 2
    assert "REQUESTS_CA_BUNDLE='/nowhere.pem' cannot be read: No such file or directory" in done.stderr


def test_metrics_tell_requests_events_and_the_process(host: LiveHost) -> None:
    tell(host, event())
    host.request("POST", "/v1/models/nobody:predict", json.dumps({}).encode())
    reply = host.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    assert metric(host, "liftwing_requests_total", model="tells", status="200") == 1
    assert metric(host, "liftwing_request_seconds_count", model="tells") == 1
    assert metric(host, "process_resident_memory_bytes") > 1e6
    assert "nobody" not in host.get("/metrics").body.decode()
