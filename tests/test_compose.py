"""compose.yaml: transformer and predictor in containers of their own, between stand-ins for MediaWiki and EventGate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from images.podman import ENVIRON, podman
from liftwing_host.pytest_plugin import wait_until

ROOT = Path(__file__).parent.parent
MODEL = "/v1/models/outlink-topic-model"
SERVICES = ("transformer", "predictor", "mediawiki", "eventgate")


class Project:
    """The services, from images that are there."""

    def __init__(self, image: str, stand_ins: str) -> None:
        self.name = f"liftwing-test-{os.getpid()}"
        self._environ = {
            **ENVIRON,
            "LIFTWING_IMAGE": image,
            "STAND_INS_IMAGE": stand_ins,
            # The kernel chooses the ports.
            "LIFTWING_PUBLISHED": "127.0.0.1:",
            "EVENTGATE_PUBLISHED": "127.0.0.1:",
        }

    def compose(self, *arguments: str) -> str:
        """What podman-compose printed."""
        command = [
            sys.executable,
            "-m",
            "podman_compose",
            "-f",
            str(ROOT / "compose.yaml"),
            "-p",
            self.name,
            *arguments,
        ]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.name}_{service}_1"

    def answer(self, service: str, path: str, payload: Any = None) -> Any:
        """What a service answers to who asks from outside, once that is not an error."""
        address = podman("port", self.container(service), "8080").strip()
        body = None if payload is None else json.dumps(payload).encode()

        def ask() -> Any:
            try:
                with urllib.request.urlopen(f"http://{address}{path}", body, timeout=60) as answer:
                    return json.load(answer)
            except OSError:
                return None

        try:
            return wait_until(ask, f"{service}: {path}", 60)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.compose('logs')}") from None


@pytest.fixture(scope="module")
def project(image: str, stand_ins: str) -> Iterator[Project]:
    project = Project(image, stand_ins)
    try:
        project.compose("up", "--detach", "--no-build")
        project.answer("transformer", MODEL)
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "1")


def test_the_transformer_asks_wiki_and_predictor(project: Project) -> None:
    asked = {"page_title": "Douglas_Adams", "lang": "en"}
    answer = project.answer("transformer", f"{MODEL}:predict", asked)
    assert "Culture.Literature" in [result["topic"] for result in answer["prediction"]["results"]]


def test_an_event_of_a_page_reaches_eventgate(project: Project) -> None:
    asked = json.loads((ROOT / "docs" / "examples" / "page_change.json").read_text())
    project.answer("transformer", f"{MODEL}:predict", asked)
    [event] = project.answer("eventgate", "/v1/events")
    assert event["page"]["page_title"] == "Douglas_Adams"


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_what_it_needs_and_no_more(project: Project, service: str) -> None:
    [found] = json.loads(podman("inspect", project.container(service)))
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["Memory"] > 0
    assert found["EffectiveCaps"] in (None, [])
    assert "no-new-privileges" in str(found["HostConfig"]["SecurityOpt"])
    assert found["Config"]["User"] == "65532:65532"
