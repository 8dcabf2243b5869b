"""The langid plugin, served: what a client of the HTTP route gets."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost

Serve = Callable[..., LiveHost]

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
TINY = Path(__file__).parent / "tiny_model" / "model.bin"


@pytest.fixture(scope="module")
def demo() -> Iterator[LiveHost]:
    """The demo, served."""
    host = LiveHost(["langid"], arguments=["--demo", "--workers", "1"])
    yield host
    host.stop()


def read(answer: str) -> Any:
    """An answer, without the digits that may differ between one kind of CPU and the next."""
    return json.loads(answer, parse_float=lambda digits: round(float(digits), 5))


def test_the_demo_answers_the_first_curl_of_the_readme(demo: LiveHost) -> None:
    shown = re.search(r"\$ (curl .*)\n\s*(\{.*\})", README)
    assert shown is not None
    curl = shlex.split(shown[1].replace("localhost:8080", f"127.0.0.1:{demo.port}"))
    done = subprocess.run([*curl, "--silent"], capture_output=True, text=True, check=True)
    assert read(done.stdout) == read(shown[2])


def test_any_script_comes_through_http(demo: LiveHost) -> None:
    answer = demo.predict({"text": "ყოველი ადამიანი იბადება თავისუფალი\nდა თანასწორი."})
    assert answer.pop("score") > 0.9
    assert answer == {"language": "kat_Geor", "wikicode": "ka", "languagename": "Georgian"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "The parameter text is required."),
        (b"[]", "Please verify that request input is a json dict"),
        (b'{"text": 5}', 'Expected "text" to be a string.'),
        (b'{"text": "123 \\ud83d\\ude00"}', 'Expected "text" to have letters'),
    ],
)
def test_bad_input_is_a_400_that_says_what_is_expected(demo: LiveHost, body: bytes, told: str) -> None:
    reply = demo.post(body)
    assert reply.status == 400
    assert reply.json()["error"].startswith(told)


def test_half_a_surrogate_pair_is_a_400(demo: LiveHost) -> None:
    assert demo.post(b'{"text": "All human beings \\ud800 are born free"}').status == 400


def test_a_megabyte_of_text_is_answered(demo: LiveHost) -> None:
    assert demo.predict({"text": "Kaikki ihmiset syntyvät vapaina. " * 30_000})["wikicode"] == "fi"


def test_of_many_at_once_each_gets_the_answer_to_its_own_text(demo: LiveHost) -> None:
    texts = {
        "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina.",
        "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności.",
        "": "12345",
        "he": "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    }
    asked = list(texts) * 50
    with ThreadPoolExecutor(16) as clients:
        replies = list(clients.map(lambda wiki: demo.post({"text": texts[wiki]}), asked))
    assert [reply.json().get("wikicode", "") for reply in replies] == asked
    assert {reply.status for reply in replies} == {200, 400}


def test_a_model_file_of_the_operator_is_served(liftwing: Serve) -> None:
    host = liftwing("langid", environ={"MODEL_PATH": str(TINY)})
    assert host.predict({"text": "他們的房子"})["languagename"] == "Traditional Chinese"


def test_without_a_model_file_the_report_says_how_to_get_one(liftwing: Serve, tmp_path: Path) -> None:
    host = liftwing("langid", settings={"model_path": str(tmp_path / "not-there.bin")}, wait=False)
    host.wait_for(lambda: "is NOT READY" in host.log, "the report")
    for said in (str(tmp_path / "not-there.bin"), "liftwing-host download langid", "--demo"):
        assert said in host.log
    assert "Traceback" not in host.log
    assert host.post({"text": "text"}).status == 503


def test_as_transformer_and_predictor_it_answers_the_same(liftwing: Serve, demo: LiveHost) -> None:
    arguments = ["--demo", "--workers", "1"]
    back = liftwing("langid", arguments=[*arguments, "--role", "predictor"])
    at = f"127.0.0.1:{back.port}"
    front = liftwing("langid", arguments=["--workers", "1", "--predictor-host", at])  # Without any model.
    body = {"text": "Alla människor är födda fria och lika i värde."}
    assert front.predict(body) == demo.predict(body)
