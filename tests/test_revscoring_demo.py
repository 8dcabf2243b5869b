"""The revscoring plugin's demo: what its README shows is answered, with nothing installed but wheels and no network."""

from __future__ import annotations

import itertools
import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost

PLUGIN = Path(__file__).parents[1] / "plugins" / "revscoring"
MODEL = "enwiki-reverted"
GOOD, VANDALISM, CREATION = 12345, 12346, 12360

# As on a machine without the library enchant and without NLTK's data.
BARE = {"PYENCHANT_LIBRARY_PATH": "/nonexistent", "NLTK_DATA": "/nonexistent"}


@pytest.fixture(scope="module")
def demo() -> Iterator[LiveHost]:
    """The demo, served."""
    host = LiveHost([MODEL], arguments=["--demo"], environ=BARE)
    yield host
    host.stop()


def probability(host: LiveHost, rev_id: int) -> float:
    """How likely the demo thinks a revision is to be reverted."""
    [score] = host.predict({"rev_id": rev_id})["enwiki"]["scores"].values()
    found: float = score["reverted"]["score"]["probability"]["true"]
    return found


def shown(readme: str) -> tuple[str, Any]:
    """The first curl of the README, and the answer below it, which may be broken into lines."""
    lines = readme.splitlines()
    start = next(number for number, line in enumerate(lines) if line.lstrip().startswith("$ curl"))
    answer = itertools.takewhile(lambda line: line.strip().startswith(("{", '"', "}")), lines[start + 1 :])
    return lines[start].strip().removeprefix("$ "), read("".join(map(str.strip, answer)))


def read(answer: str) -> Any:
    """An answer, without the digits that may differ between one kind of CPU and the next."""
    return json.loads(answer, parse_float=lambda digits: round(float(digits), 9))


def test_the_demo_answers_the_first_curl_of_the_readme(demo: LiveHost) -> None:
    command, answer = shown((PLUGIN / "README.md").read_text())
    curl = shlex.split(command.replace("localhost:8080", f"127.0.0.1:{demo.port}"))
    done = subprocess.run([*curl, "--silent"], capture_output=True, text=True, check=True)
    assert read(done.stdout) == answer


def test_the_demo_tells_vandalism_from_a_good_edit(demo: LiveHost) -> None:
    assert probability(demo, GOOD) < 0.1
    assert probability(demo, VANDALISM) > 0.5


def test_the_demo_scores_a_page_creation(demo: LiveHost) -> None:
    assert probability(demo, GOOD) < probability(demo, CREATION) < probability(demo, VANDALISM)


def test_the_demo_scores_every_sample(demo: LiveHost) -> None:
    samples = json.loads((PLUGIN / "liftwing_plugin_revscoring" / "demo" / "revisions.json").read_text())
    assert len(samples) >= 4
    for rev_id in samples:
        answer = demo.predict({"rev_id": int(rev_id), "extended_output": True})
        assert list(answer["enwiki"]["scores"]) == [rev_id]
        assert len(answer["enwiki"]["scores"][rev_id]["reverted"]["features"]) == 9


def test_in_two_halves_the_scores_are_those_of_one_process(liftwing: Any) -> None:
    whole = liftwing("enwiki-reverted", arguments=["--demo", "--workers", "1"])
    back = liftwing("enwiki-reverted", arguments=["--demo", "--workers", "1", "--role", "predictor"])
    at = f"127.0.0.1:{back.port}"
    front = liftwing("enwiki-reverted", arguments=["--demo", "--workers", "1", "--predictor-host", at])
    for payload in ({"rev_id": 12345}, {"rev_id": 12345, "extended_output": True}, {"rev_id": -1}):
        apart, together = front.post(payload), whole.post(payload)
        assert (apart.status, apart.body) == (together.status, together.body)
