"""Lift Wing's switches: what each does to the processes that hooks run in, wherever it is set."""

from __future__ import annotations

import itertools
import re
import select
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from command import run
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.cpus import available_cpus
from raw_http import RawClient

ASYNC, COMPUTE, SOLO = "async", "compute", "solo"
HOOKS = ("fetch", "preprocess", "predict", "postprocess")
# The kind of process that each of HOOKS runs in, and the legs as the report tells them.
ALL_APART = (
    [ASYNC, COMPUTE, COMPUTE, COMPUTE],
    "fetch (async), then preprocess + predict + postprocess (compute)",
)
PREPROCESS_BESIDE = (
    [ASYNC, ASYNC, COMPUTE, COMPUTE],
    "fetch + preprocess (async), then predict + postprocess (compute)",
)
INFERENCE_BESIDE = (
    [ASYNC, COMPUTE, ASYNC, ASYNC],
    "fetch (async), then preprocess (compute), then predict + postprocess (async)",
)
ALL_BESIDE = ([ASYNC] * 4, "fetch + preprocess + predict + postprocess (async)")
ONE_PROCESS = ([SOLO] * 4, "fetch + preprocess + predict + postprocess (async)")
Places = tuple[list[str], str]

SWITCHES: dict[str, tuple[dict[str, str], Places]] = {
    "all on": (
        {"ASYNCIO_USE_PROCESS_POOL": "True", "PREPROCESS_MP": "True", "INFERENCE_MP": "True"}, ALL_APART
    ),
    "PREPROCESS_MP off": ({"PREPROCESS_MP": "False"}, PREPROCESS_BESIDE),
    "INFERENCE_MP off": ({"INFERENCE_MP": "False"}, INFERENCE_BESIDE),
    "both off": ({"PREPROCESS_MP": "False", "INFERENCE_MP": "False"}, ALL_BESIDE),
    "ASYNCIO_USE_PROCESS_POOL off": ({"ASYNCIO_USE_PROCESS_POOL": "False"}, ONE_PROCESS),
}  # fmt: skip
EACH = pytest.mark.parametrize("switch", SWITCHES)


def from_environment(variables: dict[str, str]) -> dict[str, Any]:
    return {"environ": variables}


def from_file(variables: dict[str, str]) -> dict[str, Any]:
    return {"config": {name.lower(): value == "True" for name, value in variables.items()}}


def kinds(host: LiveHost, model: str = "places") -> list[str]:
    """The kind of process that each hook ran in; none but the async one ran where the loop is."""
    answer = host.predict({}, model)
    # Only now: while others are still being begun, the host is ready already.
    of = {pid: kind for kind in (ASYNC, COMPUTE, SOLO) for pid in proc.named(host, rf"lw-{kind}-\d+")}
    found = []
    for hook in HOOKS:
        pid, on_main_thread = answer[hook]
        assert on_main_thread == (hook == "fetch" or of[pid] == COMPUTE)
        found.append(of[pid])
    return found


def legs(host: LiveHost, model: str = "places") -> str:
    line = re.compile(rf" {model} \(liftwing-plugin-zoo 1.0\) is ready: .* workers?; (.*); try: ")
    found = host.wait_for(lambda: line.search(host.log), "the report")
    return str(found.group(1))


def compute_workers(host: LiveHost) -> int:
    return len(proc.named(host, r"lw-compute-\d+"))


@EACH
@pytest.mark.parametrize("said", [from_environment, from_file], ids=["environment", "file"])
def test_each_switch_moves_the_hooks_that_it_says(liftwing: Any, switch: str, said: Any) -> None:
    variables, (expected, told) = SWITCHES[switch]
    aux = {"ASYNCIO_AUX_WORKERS": "2"}
    options = said(variables)
    options["environ"] = options.get("environ", {}) | aux
    host = liftwing("places", **options)
    assert (kinds(host), legs(host)) == (expected, told)
    assert compute_workers(host) == (2 if COMPUTE in expected else 0)
    if expected == [SOLO] * 4:
        assert len(proc.family(host.process.pid)) == 1


@EACH
@pytest.mark.parametrize("spelling", [str.lower, str.upper], ids=["lower", "upper"])
def test_each_switch_can_be_set_for_one_model(liftwing: Any, switch: str, spelling: Any) -> None:
    variables, (expected, told) = SWITCHES[switch]
    settings = {spelling(name): value == "True" for name, value in variables.items()}
    host = liftwing(
        "places", "other-places", settings=settings, environ={"ASYNCIO_AUX_WORKERS": "1"}
    )  # fmt: skip
    # The plugin's pool is there for the other model: its hooks stay beside the loop of the async worker.
    assert kinds(host) == [ASYNC if kind == SOLO else kind for kind in expected]
    assert legs(host) == told
    assert (kinds(host, "other-places"), legs(host, "other-places")) == ALL_APART


def test_a_model_can_be_excepted_from_the_switch_of_all(liftwing: Any) -> None:
    host = liftwing(
        "places", "other-places", settings={"preprocess_mp": True},
        environ={"PREPROCESS_MP": "false", "ASYNCIO_AUX_WORKERS": "1"},
    )  # fmt: skip
    assert (kinds(host), kinds(host, "other-places")) == (ALL_APART[0], PREPROCESS_BESIDE[0])


def test_a_model_that_is_to_have_the_pool_has_it_and_the_others_hooks_run_beside_the_loop(
    liftwing: Any,
) -> None:
    host = liftwing(
        "places", "other-places", settings={"asyncio_use_process_pool": True},
        environ={"ASYNCIO_USE_PROCESS_POOL": "false", "ASYNCIO_AUX_WORKERS": "1"},
    )  # fmt: skip
    assert (kinds(host), legs(host)) == ALL_APART
    assert (kinds(host, "other-places"), legs(host, "other-places")) == ALL_BESIDE
    assert compute_workers(host) == 1


def test_the_switches_of_a_file_may_be_spelt_as_on_lift_wing(liftwing: Any) -> None:
    host = liftwing("places", config={"PREPROCESS_MP": False, "ASYNCIO_AUX_WORKERS": 1})
    assert (kinds(host), compute_workers(host)) == (PREPROCESS_BESIDE[0], 1)


@pytest.mark.parametrize("environ", [{}, {"ASYNCIO_AUX_WORKERS": ""}], ids=["unset", "empty"])
def test_without_a_number_there_are_as_many_workers_as_cpus(liftwing: Any, environ: dict[str, str]) -> None:
    assert compute_workers(liftwing("places", environ=environ)) == available_cpus()


def test_the_number_of_aux_workers_is_the_number_of_compute_workers(liftwing: Any) -> None:
    assert compute_workers(liftwing("places", environ={"ASYNCIO_AUX_WORKERS": "3"})) == 3
    assert compute_workers(liftwing("places", config={"asyncio_aux_workers": 3})) == 3


OWN_WORDS: dict[str, dict[str, Any]] = {
    "flag": {"arguments": ["--workers", "2"]},
    "variable": {"environ": {"LIFTWING_WORKERS": "2"}},
    "key": {"config": {"workers": 2}},
    "plugin's key": {"config": {"plugins": {"zoo": {"workers": 2}}}},
}


@pytest.mark.parametrize("words", OWN_WORDS)
@pytest.mark.parametrize(
    "switch", [{"ASYNCIO_AUX_WORKERS": "3"}, {"ASYNCIO_USE_PROCESS_POOL": "false"}], ids=str
)
def test_the_hosts_own_words_win(liftwing: Any, words: str, switch: dict[str, str]) -> None:
    options: dict[str, Any] = dict(OWN_WORDS[words])
    options["environ"] = options.get("environ", {}) | switch
    host = liftwing("places", **options)
    assert (kinds(host), compute_workers(host)) == (ALL_APART[0], 2)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("ASYNCIO_AUX_WORKERS", "many", "a whole number of at least 1"),
        ("ASYNCIO_AUX_WORKERS", "0", "a whole number of at least 1"),
        ("ASYNCIO_USE_PROCESS_POOL", "maybe", "true or false"),
        ("PREPROCESS_MP", "2", "true or false"),
        ("INFERENCE_MP", "nope", "true or false"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_variable_value_and_what_is_allowed(
    tmp_path: Path, variable: str, value: str, allowed: str
) -> None:
    done = run("--model", "places", "--port", "0", **{variable: value})
    assert done.returncode == 2
    assert f"{variable}='{value}' is not allowed: expected {allowed}" in done.stderr
    config = tmp_path / "own.toml"
    config.write_text(f'{variable.lower()} = "{value}"\n')
    done = run("--model", "places", "--port", "0", "--config", str(config))
    assert done.returncode == 2
    assert f"{variable.lower()}='{value}' is not allowed: expected {allowed}" in done.stderr


def test_the_loop_goes_on_while_a_def_hook_runs_beside_it(liftwing: Any) -> None:
    host = liftwing("places", "waits", environ={"PREPROCESS_MP": "false", "ASYNCIO_AUX_WORKERS": "1"})
    (loop,) = proc.named(host, "lw-async-0")
    with RawClient(host.port) as client:
        client.post(b'{"seconds": 1.5}', "places")
        for _ in range(20):
            assert host.predict({}, "waits") == {"pid": loop}
        assert not select.select([client.socket], [], [], 0)[0], "the def hook runs all the while"
        assert client.reply().json()["preprocess"] == [loop, False]


@pytest.mark.parametrize("switch", ["PREPROCESS_MP off", "ASYNCIO_USE_PROCESS_POOL off"])
def test_def_hooks_beside_the_loop_run_one_at_a_time(liftwing: Any, switch: str) -> None:
    host = liftwing("places", environ=SWITCHES[switch][0] | {"ASYNCIO_AUX_WORKERS": "1"})
    with ThreadPoolExecutor(6) as clients:
        spells = sorted(answer["spell"] for answer in clients.map(host.predict, [{"seconds": 0.1}] * 6))
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spells))


def test_requests_at_once_beside_the_loop_never_get_the_answer_of_another(liftwing: Any) -> None:
    host = liftwing("places", environ={"ASYNCIO_USE_PROCESS_POOL": "false"})
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: host.predict({"number": number}), range(40)))
    assert [answer["number"] for answer in answers] == list(range(40))


@pytest.mark.parametrize("switch", ["INFERENCE_MP off", "ASYNCIO_USE_PROCESS_POOL off"])
def test_a_def_hook_that_hangs_beside_the_loop_is_a_504_and_its_process_is_replaced(
    liftwing: Any, switch: str
) -> None:
    host = liftwing(
        "places", config={"timeout": 0.6}, environ=SWITCHES[switch][0] | {"ASYNCIO_AUX_WORKERS": "1"}
    )  # fmt: skip
    hanging_in = host.predict({})["predict"][0]
    reply = host.post({"hangs": 60})
    assert reply.status == 504
    assert "ran out of time (0.6 s) in" in reply.json()["error"]
    assert "predict" in reply.json()["error"]
    host.wait_for(lambda: not proc.alive(hanging_in), "the end of the process")
    host.wait_for(lambda: host.post({}).status == 200, "an answer by the next one")


def test_a_def_hook_that_hangs_beside_the_loop_is_seen_even_if_its_client_leaves(liftwing: Any) -> None:
    """Which cancels it a second time. The thread would be taken for ever, and every request would run out of time."""
    host = liftwing(
        "places", config={"timeout": 0.6}, environ={"INFERENCE_MP": "false", "ASYNCIO_AUX_WORKERS": "1"}
    )  # fmt: skip
    hanging_in = host.predict({})["predict"][0]
    with RawClient(host.port) as client:
        client.post(b'{"hangs": 60}', "places")
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        # It came later, so the time of the other one is over, too.
        assert host.post({}).status == 504
    host.wait_for(lambda: not proc.alive(hanging_in), "the end of the process")
    host.wait_for(lambda: host.post({}).status == 200, "an answer by the next one")


def test_one_that_runs_out_of_time_behind_a_def_hook_costs_the_other_nothing(liftwing: Any) -> None:
    """It is taken back from the thread before it began, so its process does not count as stuck."""
    host = liftwing("places", environ={"PREPROCESS_MP": "false", "ASYNCIO_AUX_WORKERS": "1"})
    (loop,) = proc.named(host, "lw-async-0")
    with RawClient(host.port) as client:
        client.post(b'{"seconds": 2.5}', "places")
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        assert host.post({}, headers={"X-Request-Timeout": "0.3"}).status == 504
        assert client.reply().json()["preprocess"] == [loop, False]
    assert proc.named(host, "lw-async-0") == [loop]


def test_a_client_that_leaves_while_a_def_hook_runs_beside_the_loop_does_no_harm(liftwing: Any) -> None:
    host = liftwing("places", environ={"INFERENCE_MP": "false", "ASYNCIO_AUX_WORKERS": "1"})
    pid = host.predict({})["predict"][0]
    with RawClient(host.port) as client:
        client.post(b'{"hangs": 0.5}', "places")
        assert [host.get("/").status for _ in range(5)] == [200] * 5
    assert host.predict({})["predict"] == [pid, False]
