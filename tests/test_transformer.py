"""A model in two halves: what a client gets is what one process would give it, and what each half runs is its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eventgate.stand_in import StandIn
from halves import predictor, site, transformer
from liftwing_host.pytest_plugin import LiveHost
from predictor_stand_in import PredictorStandIn, answer, waits
from tells import event

MODELS = ("whole", "before", "after", "bytewise", "tells")


@dataclass(frozen=True)
class Split:
    """A transformer, its predictor, and a host that serves the same models as a whole."""

    front: LiveHost
    back: LiveHost
    whole: LiveHost


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return site(tmp_path_factory.mktemp("halves"))


@pytest.fixture(scope="module", params=["1", "0"], ids=["processes", "one-process"])
def split(environ: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Split]:
    workers = ["--workers", request.param]
    hosts: list[LiveHost] = []
    try:
        hosts.append(predictor(environ, *MODELS, arguments=workers))
        hosts.append(transformer(environ, f"127.0.0.1:{hosts[0].port}", *MODELS, arguments=workers))
        hosts.append(LiveHost(MODELS, environ=environ, arguments=workers))
        yield Split(hosts[1], hosts[0], hosts[2])
    finally:
        for host in hosts:
            host.stop()


@pytest.mark.parametrize(
    ("model", "payload"),
    [
        ("before", {"a": [1, "é"]}),
        ("after", {"a": 1}),
        ("after", [1, 2]),
        ("tells", {"tell": None}),
        ("whole", {"refuse": "no é"}),
        ("before", b"{"),
        ("after", b"{"),
        ("before", {"instances": 1}),
        ("after", {"instances": 1}),
    ],
)
def test_the_answer_is_that_of_one_process(split: Split, model: str, payload: Any) -> None:
    """The plugin's own refusals, and the host's, included."""
    apart, together = split.front.post(payload, model), split.whole.post(payload, model)
    assert (apart.status, apart.body) == (together.status, together.body)
    assert apart.headers.get("content-type") == together.headers.get("content-type")


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        ("array", {"array": [0, 1, 2], "scalar": 0.5, "7": "seven"}),
        ("text", "Q1 Q2"),
        ("null", None),
        ("large", 2**70),
        ("list", [1, [2]]),
    ],
)
def test_features_arrive_as_json_has_them(split: Split, kind: str, got: Any) -> None:
    reply = split.front.post({"kind": kind}, "whole")
    assert (reply.status, reply.json()["told"]["got"]) == (200, got)


@pytest.mark.parametrize(
    ("kind", "name"), [("set", "set"), ("bytes", "bytes"), ("dataclass", "Point"), ("nested", "Point")]
)
def test_features_that_json_has_no_form_for_are_a_500_and_the_log_names_their_type(
    split: Split, kind: str, name: str
) -> None:
    reply = split.front.post({"kind": kind}, "whole", {"x-request-id": f"req-{kind}"})
    told = f"Encoding the features for the predictor of model whole failed; the log has the reason under request id req-{kind}."
    assert (reply.status, reply.json()) == (500, {"error": told})
    logged = split.front.log.partition(f"request req-{kind}: encode features of model whole failed")[2]
    assert f"Type is not JSON serializable: {name}. What goes between" in logged


def test_each_half_runs_its_own_hooks_and_knows_which_it_is(split: Split) -> None:
    told = split.front.predict({"a": 1}, "whole")
    assert (told["role"], told["told"]["role"]) == ("transformer", "predictor")
    assert split.whole.predict({"a": 1}, "whole")["role"] == "all"


def test_a_predictor_alone_takes_features_and_gives_predictions(split: Split) -> None:
    assert split.back.predict({"asked": 1}, "before")["predicted"] == {"asked": 1}
    assert split.back.predict({"a": 1}, "whole")["got"] == {"a": 1}
    # A text is JSON here, since it is not what a client gets.
    assert split.back.post([1], "after").body == b'"[1]"'
    reply = split.back.post(b"{", "whole")
    assert reply.status == 400
    assert reply.json()["error"].startswith("Unrecognized request format: ")


def test_features_may_have_keys_that_mean_something_in_a_request(split: Split) -> None:
    assert split.front.predict({"kind": "list"}, "whole")["told"]["got"] == [1, [2]]
    assert split.back.predict({"instances": {"a": 1}}, "whole")["got"] == {"instances": {"a": 1}}


def test_what_a_plugin_takes_as_it_comes_goes_on_as_it_came(split: Split) -> None:
    for host in (split.front, split.whole):
        reply = host.post(b"\x00abc", "bytewise", {"Content-Type": "image/x"})
        assert (reply.status, reply.body) == (200, b"CBA\x00 IMAGE/X")
        packed = host.post(b"\x00abc", "bytewise", {"Content-Type": "image/x", "Content-Encoding": "br"})
        assert packed.body == b"CBA\x00 IMAGE/X BR"


def test_a_large_body_goes_through_both_halves(split: Split) -> None:
    text = "x" * (3 << 20)
    assert split.front.predict({"text": text}, "before")["predicted"] == {"asked": {"text": text}}
    assert split.front.predict([text], "after") == {"after": str([text])}


def test_the_predictor_is_told_whose_request_it_is_and_how_long_it_may_take(split: Split) -> None:
    sent = {
        "X-Request-Id": "mine",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Tracestate": "a=1",
        "Authorization": "Bearer secret",
        "X-Request-Timeout": "20",
        "Cookie": "a=1",
        "X-Other": "kept back",
        "Accept-Encoding": "gzip",
    }
    told = split.front.post({"fetch": 0.5}, "whole", sent).json()["told"]
    got = told["headers"]
    for name in ("X-Request-Id", "Traceparent", "Tracestate", "Authorization"):
        assert got[name.lower()] == sent[name]
    assert 5 < float(got["x-request-timeout"]) <= 19.5
    assert 5 < told["remaining"] <= 19.5
    assert {"cookie", "x-other"} & set(got) == set()
    assert (got["content-type"], got["accept-encoding"]) == ("application/json", "identity")


def test_connections_are_kept_for_the_next_request(environ: dict[str, str], liftwing: Any) -> None:
    with PredictorStandIn(answer(200, {"got": 1}, Content_Type="application/json")) as stand_in:
        host = liftwing("whole", environ=environ, arguments=["--predictor-host", stand_in.at])
        for _ in range(3):
            assert host.predict({})["told"] == {"got": 1}
        assert [asked.connection for asked in stand_in.asked] == [1, 1, 1]
        assert {asked.line for asked in stand_in.asked} == {"POST /v1/models/whole:predict HTTP/1.1"}


def test_a_proxy_in_the_environment_is_for_others(environ: dict[str, str], liftwing: Any) -> None:
    proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""}
    with PredictorStandIn(answer(200, {"got": 1})) as stand_in:
        host = liftwing("whole", environ=environ | proxies, arguments=["--predictor-host", stand_in.at])
        assert host.predict({})["told"] == {"got": 1}


def test_without_postprocess_the_client_gets_the_predictors_bytes(
    environ: dict[str, str], liftwing: Any
) -> None:
    with PredictorStandIn(answer(200, b'{"a" :\t1}', Content_Type="application/x-odd")) as stand_in:
        host = liftwing("before", environ=environ, arguments=["--predictor-host", stand_in.at])
        reply = host.post({"b": 2})
        assert (reply.body, reply.headers["content-type"]) == (b'{"a" :\t1}', "application/x-odd")
        assert json.loads(stand_in.asked[0].body) == {"asked": {"b": 2}}


def test_an_event_follows_in_the_transformer_alone(
    environ: dict[str, str], tmp_path: Path, eventgate: StandIn
) -> None:
    variables = {"EVENTGATE_URL": eventgate.url, "LIFTWING_EVENTS": str(tmp_path / "events.sqlite")}
    back = predictor(environ | variables | {"LIFTWING_EVENTS": str(tmp_path / "back.sqlite")}, "tells")
    front = transformer(environ | variables, f"127.0.0.1:{back.port}", "tells")
    try:
        payload = {"tell": event("a")}
        assert front.predict(payload) == {"score": 1, "tell": payload["tell"]}
        front.wait_for(lambda: eventgate.accepted, "the event")
        assert back.predict(payload)["score"] == 1
    finally:
        assert (front.stop(), back.stop()) == (0, 0)
    assert len(eventgate.accepted) == 1


def test_a_predictor_makes_batches_of_what_waits(environ: dict[str, str]) -> None:
    back = predictor(environ, "together")
    front = transformer(environ, f"127.0.0.1:{back.port}", "together")
    try:
        with ThreadPoolExecutor(8) as clients:
            busy = clients.submit(front.predict, {"sleep": 3})
            back.wait_for(
                lambda: busy.done() or front.post({}, headers={"X-Request-Timeout": "0.2"}).status == 504,
                "a worker that is busy",
            )
            replies = [clients.submit(front.predict, {}) for _ in range(7)]
            together = [reply.result()["told"]["got"].get("together", 1) for reply in replies]
        assert max(together) > 1
    finally:
        front.stop()
        back.stop()


# What each half says of itself


def test_each_half_says_which_it_is_and_only_the_log_says_where_the_predictor_is(split: Split) -> None:
    assert split.front.get("/v1/models/whole").json() == {
        "name": "whole",
        "ready": True,
        "role": "transformer",
    }
    assert split.back.get("/v1/models/whole").json() == {"name": "whole", "ready": True, "role": "predictor"}
    assert split.whole.get("/v1/models/whole").json() == {"name": "whole", "ready": True}
    url = f"http://127.0.0.1:{split.back.port}/v1/models/whole:predict"
    assert f"then preprocess (compute), then predict ({url}), then postprocess (compute)" in split.front.log
    assert "is ready as transformer: " in split.front.log
    assert "whole (liftwing-plugin-halves 1.0) is ready as predictor: " in split.back.log
    assert "try: curl" not in split.back.log


def test_a_transformer_of_a_model_that_only_predicts_says_that_it_has_nothing_to_do(
    environ: dict[str, str], liftwing: Any
) -> None:
    host = liftwing(
        "only", "whole", environ=environ, arguments=["--predictor-host", "127.0.0.1:9"], wait=False
    )
    host.wait_for(lambda: host.ready("whole"), "whole ready")
    host.wait_for(
        lambda: "only (liftwing-plugin-halves 1.0) is NOT READY: a transformer has nothing to do" in host.log,
        "the report",
    )
    assert host.post({}, "only").status == 503


def test_one_host_serves_some_models_as_a_whole_and_some_apart(
    environ: dict[str, str], liftwing: Any
) -> None:
    with PredictorStandIn(answer(200, {"got": "there"})) as stand_in:
        config = {"models": {"after": {"role": "all"}, "before": {"role": "predictor"}}}
        host = liftwing(
            "whole",
            "after",
            "before",
            environ=environ,
            arguments=["--predictor-host", stand_in.at],
            config=config,
        )
        assert host.predict({}, "whole")["told"] == {"got": "there"}
        assert host.predict({"a": 1}, "after") == {"after": "{'a': 1}"}
        assert host.predict({"a": 1}, "before")["predicted"] == {"a": 1}


# The name in the URL


@pytest.mark.parametrize("flag", ["--model_name", "--model-name"])
def test_one_model_is_served_under_another_name(environ: dict[str, str], liftwing: Any, flag: str) -> None:
    with PredictorStandIn(answer(200, {"got": 1})) as stand_in:
        arguments = ["--model", "whole", flag, "renamed", "--predictor_host", stand_in.at]
        host = liftwing(environ=environ, arguments=arguments, config={"models": {"whole": {"timeout": 7}}})
        host.wait_for(lambda: host.ready("renamed"), "renamed ready")
        assert host.post({}, "whole").status == 404
        reply = host.post({}, "renamed", {"X-Request-Timeout": "100"})
        assert reply.json()["told"] == {"got": 1}
        asked = stand_in.asked[0]
        assert asked.line == "POST /v1/models/renamed:predict HTTP/1.1"
        assert float(asked.headers["x-request-timeout"]) <= 7
        assert host.get("/v1/models").json() == {"models": ["renamed"]}
        assert (
            'liftwing_requests_total{model="renamed",status="200"} 1.0' in host.get("/metrics").body.decode()
        )
        host.process.send_signal(1)
        host.wait_for(lambda: "liftwing-plugin-halves was reloaded" in host.log, "the reload")
        assert host.predict({}, "renamed")["told"] == {"got": 1}


def test_the_settings_of_a_renamed_model_are_under_its_own_name(liftwing: Any) -> None:
    config = {"models": {"functions": {"factor": 5}}}
    host = liftwing(
        arguments=["--model", "functions", "--model_name", "renamed", "--workers", "1"], config=config
    )
    host.wait_for(lambda: host.ready("renamed"), "renamed ready")
    assert host.predict({"number": 3}, "renamed") == {"functions": 15}


# Ending


def test_a_transformer_that_ends_answers_what_is_at_the_predictor(environ: dict[str, str]) -> None:
    released, left = threading.Event(), threading.Event()

    def behave(connection: Any) -> bool:
        released.wait(30)
        return answer(200, {"got": "late"})(connection)

    with PredictorStandIn(behave) as stand_in:
        host = transformer(environ, stand_in.at, "whole")
        try:
            with ThreadPoolExecutor(1) as client:
                reply = client.submit(host.post, {}, "whole")
                stand_in.wait_until_asked()
                host.process.terminate()
                host.wait_for(lambda: "told to end" in host.log, "the end")
                released.set()
                assert reply.result().json()["told"] == {"got": "late"}
            assert host.stop() == 0
        finally:
            released.set()
            host.kill()
    with PredictorStandIn(waits(left)) as stand_in:
        host = transformer(environ, stand_in.at, "whole", config={"drain_timeout": 0.5})
        with ThreadPoolExecutor(1) as client:
            cut = client.submit(host.post, {}, "whole")
            stand_in.wait_until_asked()
            assert host.stop() == 0
            with pytest.raises(OSError):  # noqa: PT011 - the connection is closed, by whichever error
                cut.result()
        assert left.wait(20), "the call to the predictor outlived the host's patience"
    assert "Traceback" not in host.log
    assert "Unclosed" not in host.log
