"""The outlink model in two halves, one of them KServe's own SDK: the answers are those of one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import liftwing_plugin_outlink
from interop.kserve_server import MODEL, KServe
from liftwing_host.pytest_plugin import LiveHost

DEMO = Path(liftwing_plugin_outlink.__file__).parent / "demo"
ADAMS = {"lang": "en", "page_title": "Douglas_Adams"}
PAYLOADS: list[dict[str, Any]] = [
    ADAMS,
    ADAMS | {"threshold": 0.9},
    ADAMS | {"debug": True},
    {"lang": "en", "page_title": "Of_my_own", "features_str": "Q413 Q937", "threshold": 0.1},
]
REQUEST = {
    "X-Request-Id": "mine",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Authorization": "Bearer secret",
}


def host(*arguments: str, name: str = MODEL) -> LiveHost:
    named = ["--model", MODEL, "--model_name", name, "--demo", "--workers", "1"]
    running = LiveHost([], arguments=[*named, *arguments])
    running.models = [name]
    running.wait_until_ready()
    return running


@pytest.fixture(scope="module")
def whole() -> Iterator[LiveHost]:
    running = host()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def predictor() -> Iterator[LiveHost]:
    running = host("--role", "predictor")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def kserve_predictor(kserve_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KServe]:
    with KServe(
        kserve_python, tmp_path_factory.mktemp("predictor"), "--weights", str(DEMO / "model.ftz")
    ) as running:
        yield running


@pytest.fixture(scope="module")
def before_kserve(kserve_predictor: KServe) -> Iterator[LiveHost]:
    running = host("--predictor_host", f"127.0.0.1:{kserve_predictor.port}")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def kserve_transformer(
    predictor: LiveHost, kserve_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KServe]:
    arguments = ["--articles", str(DEMO / "articles.json"), "--predictor_host", f"127.0.0.1:{predictor.port}"]
    with KServe(kserve_python, tmp_path_factory.mktemp("transformer"), *arguments) as running:
        yield running


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_our_transformer_before_kserves_predictor(
    before_kserve: LiveHost, whole: LiveHost, payload: dict[str, Any]
) -> None:
    assert before_kserve.predict(payload) == whole.predict(payload)


@pytest.mark.parametrize("payload", PAYLOADS[:3], ids=str)
def test_kserves_transformer_before_our_predictor(
    kserve_transformer: KServe, whole: LiveHost, payload: dict[str, Any]
) -> None:
    reply = kserve_transformer.post(payload)
    assert (reply.status, reply.json()) == (200, whole.predict(payload))


@pytest.mark.parametrize("payload", [*PAYLOADS, {"lang": "en", "page_id": 8091}], ids=str)
def test_our_transformer_before_our_predictor(
    predictor: LiveHost, whole: LiveHost, payload: dict[str, Any]
) -> None:
    front = host("--predictor-host", f"127.0.0.1:{predictor.port}")
    try:
        assert front.post(payload).body == whole.post(payload).body
    finally:
        front.stop()


def test_kserves_predictor_gets_what_lift_wings_got_and_whose_request_it_is(
    before_kserve: LiveHost, kserve_predictor: KServe
) -> None:
    assert before_kserve.post(ADAMS | {"threshold": 0.25}, headers=REQUEST).status == 200
    [asked] = [each for each in kserve_predictor.asked() if each["payload"]["threshold"] == 0.25]
    links = next(page["links"] for page in _articles() if page["page_title"] == "Douglas_Adams")
    items = " ".join(sorted({item for _, item in links if item}))
    assert asked["payload"] == ADAMS | {"features_str": items, "threshold": 0.25, "debug": False}
    for name, value in REQUEST.items():
        assert asked["headers"][name.lower()] == value


def test_a_refusal_of_kserves_predictor_reaches_the_client_and_a_failure_does_not(
    before_kserve: LiveHost,
) -> None:
    refused = before_kserve.post(ADAMS | {"features_str": "refuse"})
    assert (refused.status, refused.json()) == (400, {"error": "bad features_str"})
    failed = before_kserve.post(ADAMS | {"features_str": "fail"})
    told = f"The predictor of model {MODEL} failed; the log has the reason."
    assert (failed.status, failed.json()) == (502, {"error": told})
    assert "it answered 500 RuntimeError : boom at http://10.0.0.1:8080" in before_kserve.log


def test_what_our_predictor_refuses_kserves_transformer_tells_in_its_own_way(
    kserve_transformer: KServe,
) -> None:
    """It makes a 500 of every error of its predictor."""
    reply = kserve_transformer.post(ADAMS | {"features_str": "Q-é"}, REQUEST)
    assert reply.status == 500
    assert 'Expected \\"features_str\\" to be Wikidata items' in reply.body.decode()


def test_a_kserve_predictor_that_has_none_of_the_model_is_a_404_for_the_client(
    kserve_predictor: KServe,
) -> None:
    front = host("--predictor_host", f"127.0.0.1:{kserve_predictor.port}", name="another")
    try:
        reply = front.post(ADAMS)
        assert (reply.status, reply.json()) == (404, {"error": "Model with name another does not exist."})
    finally:
        front.stop()


def _articles() -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = json.loads((DEMO / "articles.json").read_text(encoding="utf-8"))
    return articles
