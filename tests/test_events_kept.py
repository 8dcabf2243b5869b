"""Events are safe once a client has its answer: the host's death, a second host, a disk that is full."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import run
from eventgate.stand_in import StandIn
from liftwing_host.pytest_plugin import LiveHost
from tells import environ, event, hosts, ids, metric, tell, with_ids


def test_a_host_that_is_killed_loses_no_event_and_invents_none(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    eventgate.status = lambda _: 503
    told = {stream: with_ids(500, stream) for stream in ("a", "b")}

    def tell_all(stream: str) -> None:
        for first in range(0, 500, 10):
            tell(host, *told[stream][first : first + 10])

    tellers = [threading.Thread(target=tell_all, args=[stream]) for stream in told]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    host.process.kill()
    host.process.wait()
    eventgate.status = lambda _: None
    again = hosts(liftwing, tmp_path, eventgate)
    assert "1000 events wait from before" in again.log
    again.wait_for(lambda: len(eventgate.ids()) == 1000, "all events")
    again.wait_for(lambda: metric(again, "liftwing_events_waiting", stream="a") == 0, "nothing waiting")
    for stream, events in told.items():
        assert eventgate.ids(stream) == ids(events)


def test_a_host_that_is_killed_while_it_sends_sends_nothing_under_another_id(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    eventgate.hold()
    for _ in range(200):
        tell(host, event())
    host.wait_for(lambda: eventgate.posts, "the first post")
    host.process.kill()
    host.process.wait()
    eventgate.answer_all()
    again = hosts(liftwing, tmp_path, eventgate)
    again.wait_for(lambda: len(eventgate.ids()) >= 200, "all events")
    again.wait_for(lambda: metric(again, "liftwing_events_waiting", stream="a") == 0, "nothing waiting")
    assert len(eventgate.ids()) == 200


def test_a_client_has_its_answer_only_when_its_event_is_on_disk(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    """Each event is looked for right after the answer, by somebody else, while the host stands still."""
    from liftwing_host.events import tables

    host = hosts(liftwing, tmp_path, eventgate)
    eventgate.hold()
    for number in range(1, 21):
        tell(host, event())
        host.process.send_signal(signal.SIGSTOP)
        try:
            connection = tables.open_tables(tmp_path / "events.sqlite", make=False)
            assert tables.streams(connection) == {"a": number}
            connection.close()
        finally:
            host.process.send_signal(signal.SIGCONT)
    eventgate.answer_all()
    host.wait_for(lambda: len(eventgate.accepted) == 20, "all events")


def test_a_second_host_on_the_same_file_is_refused(liftwing: Any, tmp_path: Path, eventgate: StandIn) -> None:
    hosts(liftwing, tmp_path, eventgate)
    second = run("--model", "tells", "--port", "0", **environ(tmp_path, eventgate))
    assert second.returncode == 2
    assert "Another liftwing-host keeps its events in" in second.stderr
    assert "Set LIFTWING_EVENTS to a file of this host's own." in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("place", ["file/events.sqlite", "/proc/nowhere/events.sqlite", "folder"])
def test_a_place_that_cannot_be_written_is_an_error_at_the_start(
    tmp_path: Path, eventgate: StandIn, place: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    path = {"LIFTWING_EVENTS": str(tmp_path / place)}
    done = run("--model", "tells", "--port", "0", **environ(tmp_path, eventgate) | path)
    assert done.returncode == 2
    assert "Events cannot be kept in" in done.stderr
    assert "Set LIFTWING_EVENTS to a file that the host may write." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes. Whoever may not mount one has no full disk to try."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_costs_events_and_no_scores_and_what_was_kept_is_sent(
    liftwing: Any, tmp_path: Path, eventgate: StandIn, small_disk: Path
) -> None:
    path = small_disk / "events.sqlite"
    host = hosts(liftwing, tmp_path, eventgate, LIFTWING_EVENTS=str(path))
    eventgate.status = lambda _: 503
    told = fill(host)
    lost = int(metric(host, "liftwing_events_lost_total", stream="a"))
    assert "is lost: it cannot be kept: " in host.log
    assert shutil.disk_usage(small_disk).free < 500_000
    eventgate.status = lambda _: None
    kept = len(told) - lost
    host.wait_for(lambda: len(eventgate.ids()) == kept, "what was kept")
    assert set(eventgate.ids()) < set(ids(told))
    host.wait_for(lambda: metric(host, "liftwing_events_waiting", stream="a") == 0, "nothing waiting")
    later = with_ids(3)
    tell(host, *later)
    host.wait_for(lambda: eventgate.ids()[-3:] == ids(later), "what comes once there is room again")
    assert metric(host, "liftwing_events_lost_total", stream="a") == lost


def test_a_full_disk_at_the_start_keeps_no_host_from_serving(
    liftwing: Any, tmp_path: Path, eventgate: StandIn, small_disk: Path
) -> None:
    path = small_disk / "events.sqlite"
    host = hosts(liftwing, tmp_path, eventgate, LIFTWING_EVENTS=str(path))
    eventgate.status = lambda _: 503
    tell(host, *with_ids(3))
    host.process.kill()
    host.process.wait()
    with (small_disk / "other").open("wb", buffering=0) as other, contextlib.suppress(OSError):
        while other.write(b"x" * 4096):
            pass
    eventgate.status = lambda _: None
    again = hosts(liftwing, tmp_path, eventgate, LIFTWING_EVENTS=str(path))
    again.wait_for(lambda: len(eventgate.ids()) == 3, "what was kept")
    tell(again, event(page_title="T" * 5_000_000))
    assert "is lost: it cannot be kept: " in again.log
    (small_disk / "other").unlink()
    later = with_ids(1)
    tell(again, *later)
    again.wait_for(lambda: eventgate.ids()[-1:] == ids(later), "what comes once there is room again")


def fill(host: LiveHost) -> list[Any]:
    """Tell events until three have been lost; each client gets its score."""
    told = []
    while metric(host, "liftwing_events_lost_total", stream="a") < 3:
        told += with_ids(1)
        tell(host, told[-1] | {"page_title": "T" * 100_000})
    return told


def test_a_file_that_breaks_under_the_host_costs_the_events_and_no_answer(
    liftwing: Any, tmp_path: Path, eventgate: StandIn
) -> None:
    host = hosts(liftwing, tmp_path, eventgate)
    tell(host, event())
    host.wait_for(lambda: metric(host, "liftwing_events_sent_total", stream="a") == 1, "the first event")
    # As a disk that fails does.
    for end in ("", "-wal", "-shm"):
        with (tmp_path / f"events.sqlite{end}").open("r+b") as file:
            file.write(b"x" * 100_000)
    time.sleep(2.5)  # The file is looked at once a second, and nothing tells of it.
    body = json.dumps({"tell": [event()]}).encode()
    for _ in range(3):
        assert host.request("POST", "/v1/models/tells:predict", body, timeout=10).status == 200
    assert host.log.count("is lost: it cannot be kept: ") == 3
    assert "Exception in thread" not in host.log
