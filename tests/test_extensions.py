"""Extensions of the host: their routes, their commands, and the events that they are given."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from raw_http import RawClient

MODEL = """
from liftwing_host import InvalidInput, Model

class Tells(Model):
    def predict(self, features):
        if features.get("wrong"):
            raise InvalidInput("it is wrong")
        return features

    def postprocess(self, prediction):
        return {"told": prediction.get("tell")}

    def event(self, prediction, response, request):
        if prediction.get("fails"):
            raise RuntimeError("no event")
        if prediction.get("odd"):
            return "not an object"
        return prediction.get("tell")

class TellsTogether(Tells):
    def predict_batch(self, features):
        return features
"""

EXTENSION = """
import asyncio, json
from pathlib import Path

import click

from liftwing_host import InvalidInput, hookimpl
from liftwing_host.extension import Reply, Route

NOTES = Path(__file__).with_name("notes")

def note(what):
    with NOTES.open("a") as file:
        file.write(json.dumps(what) + "\\n")

@hookimpl
async def liftwing_start(host):
    note({"started": list(host.models)})

@hookimpl
async def liftwing_stop():
    note({"stopped": True})

@hookimpl
def liftwing_routes(host):
    async def ask(request):
        if "fail" in request.query:
            raise RuntimeError("secret reason")
        if "refuse" in request.query:
            raise InvalidInput("refused")
        if "wait" in request.query:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                note({"cancelled": True})
                raise
        reply = await host.predict(request.arguments["model"], request.body or b"{}", {"x-request-id": request.id})
        told = {"status": reply.status, "body": json.loads(reply.body), "ready": host.is_ready("tells")}
        told |= {"query": {key: list(values) for key, values in request.query.items()}, "path": request.path}
        return Reply(200, json.dumps(told).encode(), headers={"X-Own": "1"})

    return [Route("GET", "/own/(?P<model>[^/]+)", ask), Route("POST", "/own/(?P<model>[^/]+)", ask),
            Route("GET", "/v1/models", ask)]

@hookimpl
async def liftwing_accept(events):
    for event in events:
        while event.body.get("wait") and not NOTES.with_name("go").exists():
            await asyncio.sleep(0.01)
        note({"event": event.body, "model": event.model, "id": event.request_id})
        if event.body.get("refuse"):
            raise InvalidInput("the event is refused")
        if event.body.get("half"):
            raise InvalidInput("half a character: \\ud800")
        if event.body.get("break"):
            raise RuntimeError("secret reason")

@hookimpl
def liftwing_commands():
    @click.command()
    def own():
        "Says something."
        click.echo("said")

    return [own]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = install(
        tmp_path / "site",
        "liftwing-plugin-tells",
        models={"tells": "tells:Tells", "tells-together": "tells:TellsTogether"},
        code={"tells": MODEL},
    )
    return install(folder, "own-extension", extensions={"own": "own"}, code={"own": EXTENSION})


def notes(site: Path) -> list[Any]:
    path = site / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=["llhttp", "tornado"])
def host(liftwing: Any, site: Path, request: pytest.FixtureRequest) -> Any:
    return liftwing(
        "tells",
        "tells-together",
        environ=path_with(site),
        arguments=["--workers", "1", "--http", request.param],
    )


def test_a_route_asks_a_model_and_gets_what_a_client_would(host: Any) -> None:
    reply = host.request("POST", "/own/tells?a=1&a=2&b", json.dumps({"tell": None}).encode())
    assert (reply.status, reply.headers["x-own"]) == (200, "1")
    assert reply.json() == {
        "status": 200,
        "body": {"told": None},
        "ready": True,
        "query": {"a": ["1", "2"], "b": [""]},
        "path": "/own/tells",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/own/nobody", {}, 404, "Model with name nobody does not exist."),
        ("/own/tells", {"wrong": True}, 400, "it is wrong"),
    ],
)
def test_what_a_model_refuses_is_a_reply_too(
    host: Any, path: str, body: Any, status: int, error: str
) -> None:
    reply = host.request("POST", path, json.dumps(body).encode()).json()
    assert (reply["status"], reply["body"]) == (status, {"error": error})


def test_what_a_route_raises_is_an_error_and_a_reason_stays_in_the_log(host: Any) -> None:
    refused = host.get("/own/tells?refuse")
    assert (refused.status, refused.json()) == (400, {"error": "refused"})
    failed = host.get("/own/tells?fail")
    assert failed.status == 500
    assert "secret reason" not in failed.body.decode()
    host.wait_for(lambda: "secret reason" in host.log, "the reason in the log")


def test_the_hosts_own_routes_come_first(host: Any) -> None:
    assert host.get("/v1/models").json() == {"models": ["tells", "tells-together"]}
    assert host.request("PUT", "/own/tells", b"").status == 405


def test_a_client_that_leaves_cancels_the_handler(host: Any, site: Path) -> None:
    with RawClient(host.port) as client:
        client.send(b"GET /own/tells?wait HTTP/1.1\r\nHost: x\r\n\r\n")
        host.get("/own/tells")
    host.wait_for(lambda: {"cancelled": True} in notes(site), "the cancellation")
    host.get("/own/tells")
    assert "failed in the host" not in host.log, "nobody is left to be answered"


@pytest.mark.parametrize("model", ["tells", "tells-together"])
def test_events_are_handed_over_with_the_request_that_they_follow_from(
    host: Any, site: Path, model: str
) -> None:
    event = {"a": 1, "meta": {"stream": "s"}}
    reply = host.post({"tell": event}, model, headers={"x-request-id": "one"})
    assert (reply.status, reply.json()) == (200, {"told": event})
    assert {"event": event, "model": model, "id": "one"} in notes(site)
    host.post({"tell": [event, {"b": 2}]}, model, headers={"x-request-id": "two"})
    assert [note["event"] for note in notes(site) if note.get("id") == "two"] == [event, {"b": 2}]
    host.post({"tell": None}, model, headers={"x-request-id": "three"})
    assert not [note for note in notes(site) if note.get("id") == "three"]


@pytest.mark.parametrize("fault", ["fails", "odd"])
def test_an_event_that_cannot_be_told_does_not_cost_the_client_its_response(host: Any, fault: str) -> None:
    reply = host.post({fault: True}, headers={"x-request-id": f"the-{fault}"})
    assert (reply.status, reply.json()) == (200, {"told": None})
    host.wait_for(lambda: f"request the-{fault}: event of model tells failed" in host.log, "the log")


def test_an_event_that_is_not_taken_does_not_cost_the_client_what_was_computed(host: Any) -> None:
    broken = host.post({"tell": {"break": 1}})
    assert (broken.status, broken.json()) == (200, {"told": {"break": 1}})
    refused = host.post({"tell": {"refuse": 1}})
    assert refused.status == 400
    assert refused.json() == {"error": "the event is refused", "response": {"told": {"refuse": 1}}}
    half = host.post({"tell": {"half": 1}})
    assert half.status == 400
    assert half.json() == {"error": "half a character: \\ud800", "response": {"told": {"half": 1}}}


def test_an_extension_begins_before_and_ends_after_all_requests(host: Any, site: Path) -> None:
    host.post({"tell": {"last": 1}})
    assert host.stop() == 0
    told = notes(site)
    assert told[0] == {"started": ["tells", "tells-together"]}
    assert told[-1] == {"stopped": True}


def command(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "liftwing_host.server", *arguments],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **path_with(site)},
    )  # fmt: skip


def test_an_extension_brings_commands(site: Path) -> None:
    assert command(site, "own").stdout == "said\n"
    assert "Says something." in command(site, "--help").stdout


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise RuntimeError('broken inside')", "The extension own of own-extension cannot be loaded"),
        ("from liftwing_host import hookimpl\n@hookimpl\ndef liftwing_rutes(): pass", "liftwing_rutes"),
    ],
)
def test_a_broken_extension_is_an_error_that_names_it(tmp_path: Path, code: str, told: str) -> None:
    site = install(tmp_path / "site", "own-extension", extensions={"own": "own"}, code={"own": code})
    install(site, "liftwing-plugin-tells", models={"tells": "tells:Tells"}, code={"tells": MODEL})
    ended = command(site, "--model", "tells", "--port", "0")
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "async def liftwing_start(): raise OSError('no stream')",
            "own failed to start (OSError: no stream)",
        ),
        (
            "def liftwing_routes(): raise KeyError('no page')",
            "own failed to tell its routes (KeyError: 'no page')",
        ),
        ("def liftwing_commands(): raise OSError('none')", "own failed to tell its commands (OSError: none)"),
    ],
)
def test_an_extension_that_fails_at_the_start_is_an_error_that_names_it(
    tmp_path: Path, code: str, told: str
) -> None:
    """Its author finds the place in the log."""
    code = f"from liftwing_host import hookimpl\n@hookimpl\n{code}"
    site = install(tmp_path / "site", "own-extension", extensions={"own": "own"}, code={"own": code})
    install(site, "liftwing-plugin-tells", models={"tells": "tells:Tells"}, code={"tells": MODEL})
    asked = ["--help"] if "commands" in code else ["--model", "tells", "--port", "0"]
    ended = command(site, *asked)
    assert ended.returncode == 2
    assert f"Error: The extension {told}" in ended.stderr
    assert ended.stderr.count("Traceback") == 1


def test_what_has_started_is_stopped_when_another_extension_fails_to_start(tmp_path: Path) -> None:
    code = (
        "from liftwing_host import hookimpl\n"
        "@hookimpl\ndef liftwing_start(): print('start NAME')\n"
        "@hookimpl\ndef liftwing_stop(): print('stop NAME')\n"
    )
    site = tmp_path / "site"
    # The last one by its name starts first.
    for name, more in (("a", ""), ("b", "@hookimpl\ndef liftwing_start(): 1 / 0"), ("c", "")):
        own = code.replace("NAME", name) + more
        install(site, f"extension-{name}", extensions={name: f"own_{name}"}, code={f"own_{name}": own})
    install(site, "liftwing-plugin-tells", models={"tells": "tells:Tells"}, code={"tells": MODEL})
    ended = command(site, "--model", "tells", "--port", "0")
    assert ended.returncode == 2
    assert "The extension b failed to start" in ended.stderr
    assert ended.stdout.splitlines() == ["start c", "stop c"]


@pytest.mark.parametrize("pattern", ["/own/(", "(?x) /own # page", "/(?P<one>a)(b)"])
def test_a_pattern_that_cannot_be_matched_is_an_error_that_tells_it(tmp_path: Path, pattern: str) -> None:
    code = (
        "from liftwing_host import hookimpl\nfrom liftwing_host.extension import Route\n@hookimpl\n"
        f"def liftwing_routes(): return [Route('GET', {pattern!r}, print)]"
    )
    site = install(tmp_path / "site", "own-extension", extensions={"own": "own"}, code={"own": code})
    install(site, "liftwing-plugin-tells", models={"tells": "tells:Tells"}, code={"tells": MODEL})
    ended = command(site, "--model", "tells", "--port", "0")
    assert ended.returncode == 2
    assert f"Error: An extension has a route whose pattern {pattern!r} cannot be matched (" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_client_may_leave_while_its_events_are_taken(liftwing: Any, site: Path) -> None:
    """Its request is counted as ended once: a pool that is replaced ends when nothing is under way in it."""
    host = liftwing("tells", environ=path_with(site), arguments=["--workers", "1"])
    workers = proc.workers(host)
    with RawClient(host.port) as client:
        client.post(b'{"tell": {"wait": 1, "last": 1}}', "tells")
        host.post({"tell": None})
    (site / "go").touch()
    host.wait_for(lambda: any(note.get("event", {}).get("last") for note in notes(site)), "the event")
    host.post({"tell": None})
    host.process.send_signal(signal.SIGHUP)
    host.wait_for(lambda: not any(proc.alive(pid) for pid in workers), "the end of the old pool")
    assert host.post({"tell": None}).status == 200


def test_an_extension_that_takes_no_events_properly_costs_neither_the_client_nor_another(
    liftwing: Any, site: Path
) -> None:
    """Such as one that is a `def`, and raises before there is anything to wait for."""
    code = "from liftwing_host import hookimpl\n@hookimpl\ndef liftwing_accept(events):\n    raise KeyError('no stream')"
    install(site, "other-extension", extensions={"other": "other"}, code={"other": code})
    host = liftwing("tells", environ=path_with(site), arguments=["--workers", "1"])
    reply = host.post({"tell": {"a": 1}}, headers={"x-request-id": "the-event"})
    assert (reply.status, reply.json()) == (200, {"told": {"a": 1}})
    assert [note["event"] for note in notes(site) if "event" in note] == [{"a": 1}]
    assert "request the-event: its events were not taken" in host.log
