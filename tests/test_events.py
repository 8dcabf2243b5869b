"""Events reach EventGate once the client has its answer, whatever EventGate does meanwhile."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

import proc
from eventgate.stand_in import StandIn
from tells import environ, event, hosts, ids, metric, tell, with_ids


def test_an_event_is_delivered_with_what_its_meta_lacked(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    tell(host, event(), request="the-request")
    host.wait_for(lambda: eventgate.accepted, "the event")
    (got,) = eventgate.accepted
    meta = got.pop("meta")
    told = event()
    assert got == {key: value for key, value in told.items() if key != "meta"}
    assert {key: meta[key] for key in told["meta"]} == told["meta"]
    assert uuid.UUID(meta["id"]).version == 4
    assert meta["request_id"] == "the-request"
    assert meta["dt"].endswith("Z")
    (post,) = eventgate.posts
    assert isinstance(post.body, dict)
    assert post.headers["content-type"] == "application/json"
    assert post.headers["user-agent"].startswith("liftwing-host/")


def test_what_the_model_says_in_meta_stands(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    told = event()
    told["meta"] |= {"id": str(uuid.uuid4()), "request_id": "its-own", "dt": "2020-01-01T00:00:00Z"}
    tell(host, told)
    host.wait_for(lambda: eventgate.accepted, "the event")
    assert eventgate.accepted == [told]


def test_while_eventgate_is_down_events_wait_and_come_in_order_once_it_is_back(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    eventgate.down()
    told = {stream: with_ids(150, stream) for stream in ("a", "b")}
    for a, b in zip(told["a"], told["b"], strict=True):
        tell(host, a, b)
    assert metric(host, "liftwing_events_waiting", stream="a") == 150
    host.wait_for(lambda: "events of stream a wait: EventGate cannot be reached" in host.log, "the log")
    eventgate.up()
    host.wait_for(lambda: len(eventgate.accepted) == 300, "all events", timeout=60)
    for stream, events in told.items():
        assert eventgate.ids(stream) == ids(events)
    host.wait_for(lambda: metric(host, "liftwing_events_waiting", stream="a") == 0, "nothing waiting")
    assert metric(host, "liftwing_events_sent_total", stream="b") == 150
    assert "events of stream a are sent again" in host.log
    # What waited went together.
    assert max(len(post.events) for post in eventgate.posts) > 10


def test_clients_never_wait_for_eventgate(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> None:
    host = hosts(liftwing, tmp_path, eventgate, AIOHTTP_CLIENT_TIMEOUT="60")
    eventgate.hold()
    began = time.monotonic()
    told = with_ids(20)
    for each in told:
        tell(host, each)
    assert time.monotonic() - began < 10
    assert eventgate.accepted == []
    eventgate.answer_all()
    host.wait_for(lambda: eventgate.ids() == ids(told), "all events")


def test_what_eventgate_does_not_answer_in_time_is_sent_again_under_the_same_id(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate, AIOHTTP_CLIENT_TIMEOUT="0.2")
    eventgate.hold()
    tell(host, event())
    host.wait_for(lambda: len(eventgate.posts) >= 2, "a second post")
    assert "events of stream a wait: EventGate did not answer within 0.2 s" in host.log
    eventgate.answer_all()
    host.wait_for(lambda: metric(host, "liftwing_events_sent_total", stream="a"), "it sent")
    assert len({post.body["meta"]["id"] for post in eventgate.posts}) == 1
    assert len({post.body["meta"]["dt"] for post in eventgate.posts}) == 1


@pytest.mark.parametrize("status", [429, 500, 503, 404, 302])
def test_an_answer_that_is_not_about_the_event_has_it_sent_again(
    liftwing: Any, tmp_path: Path, eventgate: StandIn, status: int
) -> None:
    host = hosts(liftwing, tmp_path, eventgate, EVENTGATE_ATTEMPTS="1")
    eventgate.status = lambda _: status
    told = with_ids(30)
    for each in told:
        tell(host, each)
    host.wait_for(lambda: len(eventgate.posts) >= 3, "a third post")
    eventgate.status = lambda _: None
    host.wait_for(lambda: eventgate.ids() == ids(told), "all events")
    assert f"events of stream a wait: EventGate answered {status}" in host.log
    assert metric(host, "liftwing_events_dead") == 0


def test_a_stream_that_is_stuck_holds_up_no_other(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> None:
    host = hosts(liftwing, tmp_path, eventgate, AIOHTTP_CLIENT_TIMEOUT="60")
    eventgate.hold(lambda post: post.events[0]["meta"]["stream"] == "stuck")
    tell(host, event("stuck"))
    host.wait_for(lambda: eventgate.posts, "the first post")
    told = with_ids(5, "free")
    for each in told:
        tell(host, event("stuck"), each)
    host.wait_for(lambda: eventgate.ids("free") == ids(told), "the other stream")
    assert eventgate.ids("stuck") == []
    eventgate.answer_all()
    host.wait_for(lambda: len(eventgate.ids("stuck")) == 6, "the stuck stream")


def test_a_connection_that_breaks_within_a_batch_loses_nothing(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    eventgate.hold()
    told = with_ids(40)
    for each in told:
        tell(host, each)
    eventgate.breaks_after = 3
    eventgate.answer_all()
    host.wait_for(lambda: "events of stream a wait: EventGate cannot be reached" in host.log, "the break")
    assert len(eventgate.posts[1].events) > 3
    eventgate.breaks_after = None
    host.wait_for(lambda: metric(host, "liftwing_events_sent_total", stream="a") == 40, "all events")
    assert eventgate.ids() == ids(told)


def test_what_has_no_stream_or_a_wrong_meta_is_eventgates_to_judge(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    tell(host, {**event(), "meta": "wrong"}, {**event(), "meta": {"stream": 7}}, {**event(), "meta": None})
    host.wait_for(lambda: metric(host, "liftwing_events_dead") == 3, "all three kept aside")
    assert eventgate.accepted == []


def test_without_a_url_events_are_dropped_and_one_line_says_so(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate, EVENTGATE_URL="")
    threads = Path(f"/proc/{host.process.pid}/task")
    before = {task.name for task in threads.iterdir()}
    for _ in range(3):
        tell(host, event())
    assert host.log.count("events of model tells are dropped: EVENTGATE_URL is not set") == 1
    assert not (tmp_path / "events.sqlite").exists()
    assert {task.name for task in threads.iterdir()} <= before


def test_events_that_are_too_large_to_be_told_cost_no_worker(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    before = proc.workers(host)
    # More than a head of a message may have.
    tell(host, event(page_title="T" * (17 << 20)), request="too-large")
    assert "request too-large: event of model tells failed" in host.log
    assert "more than the 8388608 that can be sent" in host.log
    assert proc.workers(host) == before


def test_the_end_of_the_host_sends_what_waits(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> None:
    host = hosts(liftwing, tmp_path, eventgate, AIOHTTP_CLIENT_TIMEOUT="60")
    eventgate.status = lambda _: 503
    told = with_ids(300)
    tell(host, *told)
    host.wait_for(lambda: len(eventgate.posts) >= 5, "a long pause")
    eventgate.status = lambda _: None
    assert host.stop() == 0
    assert eventgate.ids() == ids(told)
    assert "were not sent" not in host.log


def test_the_end_of_the_host_does_not_wait_for_an_eventgate_that_is_stuck(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate, AIOHTTP_CLIENT_TIMEOUT="60")
    eventgate.hold()
    tell(host, *with_ids(3))
    host.wait_for(lambda: eventgate.posts, "the post")
    began = time.monotonic()
    assert host.stop() == 0
    assert time.monotonic() - began < 15
    assert "3 events were not sent; they wait on disk for the next host" in host.log


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("EVENTGATE_URL", "eventgate:80", "expected the URL that takes events"),
        ("EVENTGATE_DELIVERY", "later", "expected one of 'queue', 'sync'"),
        ("AIOHTTP_CLIENT_TIMEOUT", "soon", "expected a number greater than 0"),
        ("AIOHTTP_CLIENT_TIMEOUT", "0", "expected a number greater than 0"),
        ("EVENTGATE_ATTEMPTS", "0", "expected a whole number of at least 1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    tmp_path: Path, eventgate: StandIn, variable: str, value: str, said: str
) -> None:
    from command import run

    done = run("--model", "tells", "--port", "0", **environ(tmp_path, eventgate) | {variable: value})
    assert done.returncode == 2
    assert f"{variable}={value!r} is not allowed: {said}" in done.stderr
    assert "Traceback" not in done.stderr
