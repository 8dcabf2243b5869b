"""`--dev`: mistakes of plugins that production would not show, found and named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

MODELS = ["keeps", "blocks", "forgets"]
SOURCE = Path(__file__).parent / "zoo" / "zoo_states.py"
UNTOUCHED = {"loaded": True, "started": True, "kept": []}


@pytest.fixture(scope="module", params=[1, 0], ids=["workers", "solo"])
def host(request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    host = LiveHost(MODELS, arguments=["--dev", "--workers", str(request.param)])
    yield host
    host.stop()


def line_of(code: str) -> int:
    return next(number for number, line in enumerate(SOURCE.read_text().splitlines(), 1) if code in line)


@pytest.mark.parametrize(
    ("hook", "attribute", "code"),
    [
        ("fetch", "last_fetched", "self.last_fetched = payload"),
        ("predict", "last_features", "self.last_features = features"),
    ],
    ids=["async", "compute"],
)
def test_a_hook_that_keeps_something_on_the_model_is_a_500_and_the_log_names_the_line(
    host: LiveHost, hook: str, attribute: str, code: str
) -> None:
    reply = host.request(
        "POST",
        "/v1/models/keeps:predict",
        json.dumps({"keep": hook}).encode(),
        {"X-Request-Id": f"keep-{hook}"},
    )
    assert reply.status == 500
    assert reply.json()["error"].startswith(f"The hook {hook} of model keeps failed")
    told = f"StateOnModel: {hook} sets Keeps.{attribute} while a request runs, at {SOURCE}, line {line_of(code)}."
    host.wait_for(lambda: told in host.log, told)
    assert f"request keep-{hook}: {hook} of model keeps failed" in host.log
    assert host.predict({}, "keeps") == UNTOUCHED, "nothing was kept; load and start may set what they like"


def test_requests_that_run_beside_one_that_errs_are_answered(host: LiveHost) -> None:
    with RawClient(host.port) as other:
        other.post(b'{"wait": 0.4}', "keeps")
        with ThreadPoolExecutor(4) as clients:
            bad = [clients.submit(host.post, {"keep": "fetch", "wait": 0.1}, "keeps") for _ in range(8)]
            good = [clients.submit(host.post, {"wait": 0.1}, "keeps") for _ in range(8)]
            assert {each.result().status for each in bad} == {500}
            assert {each.result().status for each in good} == {200}
        assert other.reply().json() == UNTOUCHED


def test_an_async_hook_that_blocks_its_loop_is_logged_with_its_name(host: LiveHost) -> None:
    assert host.predict({"computes": 0.25}, "blocks") == {"computes": 0.25}
    told = "fetch of model blocks blocked its event loop for 2"
    host.wait_for(lambda: told in host.log, told)


def test_a_task_of_an_async_hook_that_blocks_its_loop_is_logged_with_the_hook_s_name(host: LiveHost) -> None:
    told = "fetch of model blocks blocked its event loop for 3"
    assert told not in host.log
    payload = {"gathers": True, "times": 2, "computes": 0.32}
    assert host.predict(payload, "blocks") == payload
    host.wait_for(lambda: host.log.count(told) == 2, "each of the two tasks in the log")


def test_a_task_of_an_async_hook_may_be_cancelled_before_it_has_begun(host: LiveHost) -> None:
    assert host.predict({"cancels": True}, "blocks") == {"cancels": True}
    assert host.predict({}, "blocks") == {}
    assert "was never awaited" not in host.log


def test_an_async_hook_that_only_waits_or_computes_little_at_a_time_is_not_logged(host: LiveHost) -> None:
    before = host.log.count("blocked its event loop")
    host.predict({"waits": 0.3}, "blocks")
    host.predict({"times": 8, "computes": 0.02, "waits": 0.001}, "blocks")
    host.predict({"times": 8, "computes": 0.02, "waits": 0.001, "gathers": True}, "blocks")
    host.predict({"computes": 0.25}, "blocks")
    host.wait_for(lambda: host.log.count("blocked its event loop") > before, "the one that blocks")
    assert host.log.count("blocked its event loop") == before + 1


def test_a_hook_that_returns_nothing_is_logged_with_its_name(host: LiveHost) -> None:
    assert host.post({"return": ["fetch", "predict"]}, "forgets").json() == ["given"]
    assert "returned None" not in host.log
    for hook in ("predict", "fetch"):
        assert (
            host.post(
                {"return": [other for other in ("fetch", "predict") if other != hook]}, "forgets"
            ).json()
            is None
        )
        told = f"{hook} of model forgets returned None: is its `return` missing?"
        host.wait_for(lambda told=told: told in host.log, told)  # type: ignore[misc]


def test_what_an_async_hook_waits_for_may_fail_and_the_hook_catches_it(host: LiveHost) -> None:
    assert host.predict({"fails": True}, "blocks") == {"caught": "nobody is there"}


def test_stop_may_set_what_it_likes_after_requests_have_run() -> None:
    host = LiveHost(MODELS, arguments=["--dev", "--workers", "1"])
    try:
        assert host.predict({}, "keeps") == UNTOUCHED
    finally:
        host.stop()
    assert "keeps has stopped in good order" in host.log
    assert "StateOnModel" not in host.log


def test_without_the_flag_nothing_of_it_happens() -> None:
    host = LiveHost(MODELS, arguments=["--workers", "1"])
    try:
        host.predict({"keep": "predict"}, "keeps")
        assert host.predict({}, "keeps")["kept"] == ["last_features"]
        host.predict({"computes": 0.25}, "blocks")
    finally:
        host.stop()
    assert "blocked its event loop" not in host.log
    assert "StateOnModel" not in host.log


def test_the_flag_is_a_variable_and_a_key_as_well() -> None:
    for options in ({"environ": {"LIFTWING_DEV": "1"}}, {"config": {"dev": True}}):
        host = LiveHost(MODELS, arguments=["--workers", "1"], **options)
        try:
            assert host.post({"keep": "predict"}, "keeps").status == 500
        finally:
            host.stop()
