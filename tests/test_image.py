"""The image: what an operator who builds it and runs it sees."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from images.fixtures import Builder
from images.podman import Container, podman
from liftwing_host.pytest_plugin import wait_until

ROOT = Path(__file__).parent.parent
SLEEPING = '--entrypoint=["sleep", "60"]'
DEMO = {"LIFTWING_DEMO": "true", "LIFTWING_WORKERS": "1"}
ADAMS = {"page_title": "Douglas_Adams", "lang": "en"}
LISTER = """
import importlib.metadata, json, sysconfig
found = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps([(each.name, each.version) for each in found]))
"""


@pytest.fixture(scope="module")
def running(image: str) -> Iterator[Container]:
    """With a read-only root file system, without any capability, with 512 MiB."""
    with Container(image, environ=DEMO) as container:
        container.predict("inside", {"seconds": 0})
        yield container


def config_of(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podman("image", "inspect", image))[0]["Config"]
    return found


def test_the_demo_answers_where_nothing_can_be_written(running: Container) -> None:
    answer = running.predict("outlink-topic-model", ADAMS)
    assert "Culture.Literature" in [result["topic"] for result in answer["prediction"]["results"]]
    assert running.inspect(".HostConfig.ReadonlyRootfs") == "true"
    assert "Traceback" not in running.log


def test_it_runs_as_a_numbered_user_who_owns_nothing_that_it_runs(running: Container) -> None:
    assert running.run("id", "-u").strip() == "65532"
    assert running.find("-user", "65532") == ["/mnt/downloads", "/mnt/events"]
    assert running.find("-writable") == []


def test_no_file_of_the_image_can_be_written_even_where_the_file_system_can(image: str) -> None:
    with Container(image, options=[SLEEPING]) as container:
        assert container.find("-type", "f", "-writable") == []


def test_what_follows_the_name_of_the_image_goes_to_the_host(image: str) -> None:
    listed = podman("run", "--rm", "--read-only", "--cap-drop=all", image, "models")
    assert re.findall(r"^(\S+)\t", listed, re.MULTILINE) == ["inside", "outlink-topic-model"]


def test_sigterm_lets_the_last_request_be_answered_and_the_exit_status_is_0(image: str) -> None:
    answers = []
    with Container(image, environ={**DEMO, "LIFTWING_MODELS": "inside"}) as container:
        container.predict("inside", {"seconds": 0})
        asking = threading.Thread(target=lambda: answers.append(container.predict("inside", {"seconds": 2})))
        asking.start()
        wait_until(lambda: container.log.count("going to sleep") == 2, "the request")
        assert container.stop() == 0
        asking.join()
    assert answers == [{"slept": 2}]


def test_processes_whose_parents_died_are_buried(running: Container) -> None:
    pid = running.predict("inside", {"orphan": True})["pid"]
    wait_until(lambda: running.status("test", "-e", f"/proc/{pid}") == 1, "the burial of the orphan")


def test_docker_learns_whether_the_host_is_alive(image: str, running: Container) -> None:
    assert running.healthcheck() == 0
    with Container(image, options=[SLEEPING]) as mute:
        assert mute.healthcheck() == 1


def test_labels_tell_what_the_image_is(image: str) -> None:
    labels = config_of(image)["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert told["title"] == "liftwing-host"
    assert told["licenses"] == "Apache-2.0"
    assert told["version"] == "1.2.3"
    assert told["revision"] == "0123abcd"
    assert told["source"] == "https://git.example.org/liftwing-host"


def test_it_holds_what_is_locked_and_ours_and_nothing_else(running: Container) -> None:
    listed = running.run("python3", "-c", LISTER)
    installed = {canonicalize_name(name): version for name, version in json.loads(listed)}
    ours = {"liftwing-host", "liftwing-plugin-inside", "liftwing-plugin-outlink"}
    locked = dict(
        re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "locks" / "outlink.txt").read_text(), re.MULTILINE)
    )
    assert ours < set(installed)
    assert {name: version for name, version in installed.items() if name not in ours} == locked


def test_a_plugin_gets_the_packages_and_the_step_that_it_asks_for(running: Container) -> None:
    assert running.run("cat", "/opt/liftwing/greeting.txt") == "hello from python\n"
    assert running.run("tree", "--version").startswith("tree")
    assert running.find("-name", "hello") == running.find("-path", "/opt/*", "-name", "pip") == []


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"PLUGINS": "outlink nosuch"}, "PLUGINS: there is no plugins/nosuch"),
        ({"PLUGINS": "unlocked"}, "PLUGINS: there is no locks/unlocked.txt; make lock writes it"),
        ({"PLUGINS": "hungry"}, "liftwing-plugin-hungry 0.1.0 requires aiohttp, which is not installed."),
    ],
    ids=["misspelt", "not locked", "lock too old"],
)
def test_a_build_that_cannot_be_right_fails_and_says_why(
    builder: Builder, chosen: dict[str, str], said: str
) -> None:
    assert said in builder.refused(**chosen)
