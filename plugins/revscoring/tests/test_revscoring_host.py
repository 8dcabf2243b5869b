"""The plugin, served: several models in one pool, with real processes and real HTTP."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost

Serve = Callable[..., LiveHost]

MODELS = {"enwiki-goodfaith": "edit", "frwiki-damaging": "edit", "enwiki-articlequality": "article"}
BODY = {"rev_id": 12345}


@pytest.fixture
def serve(liftwing: Serve, wiki: Any, trained: dict[str, Path]) -> Serve:
    """Serve models about the wiki's revisions: all of `MODELS`, unless told otherwise."""

    def serve(*names: str, **options: Any) -> LiveHost:
        tables = {name: {"model_path": str(trained[MODELS[name]])} for name in names or MODELS}
        environ = {"WIKI_URL": wiki.url, **options.pop("environ", {})}
        return liftwing(*tables, config={"models": tables}, environ=environ, **options)

    return serve


def parents(host: LiveHost) -> set[int]:
    """The processes that are children of the host itself."""
    children = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children")
    return set(map(int, children.read_text().split()))


def test_several_models_are_served_by_one_pool(serve: Serve) -> None:
    host = serve()
    for name in MODELS:
        wiki_db, _, kind = name.rpartition("-")
        answer = host.predict(BODY, name)
        assert list(answer) == [wiki_db]
        assert list(answer[wiki_db]["scores"]["12345"]) == [kind]
    assert len(parents(host)) == 1
    assert "each worker loads for itself" not in host.log


def test_the_log_has_one_line_for_each_model_and_no_warning(serve: Serve) -> None:
    host = serve()
    assert len(re.findall(r"loaded \S+, version \S+, of \d+ features", host.log)) == len(MODELS)
    assert "arning" not in host.log


def test_the_answer_is_the_one_that_clients_know(serve: Serve) -> None:
    host = serve("enwiki-goodfaith")
    reply = host.post(BODY)
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(
        rb'\{"enwiki":\{"models":\{"goodfaith":\{"version":"0\.5\.1"\}\},"scores":\{"12345":\{"goodfaith":'
        rb'\{"score":\{"prediction":false,"probability":\{"false":0\.\d+,"true":0\.\d+\}\}\}\}\}\}\}',
        reply.body,
    )
    assert (
        "features" in host.predict(BODY | {"extended_output": True})["enwiki"]["scores"]["12345"]["goodfaith"]
    )


def test_errors_come_in_one_envelope(serve: Serve) -> None:
    host = serve("enwiki-goodfaith")
    for body, status, text in (
        (b"{}", 400, 'Expected "rev_id" in input data.'),
        (b'{"rev_id": "5"}', 400, 'Expected "rev_id" to be an integer.'),
        (
            b'{"rev_id": 99}',
            400,
            "The MW API does not have any info related to the rev-id provided as input (99)",
        ),
        (b'{"rev_id": ', 400, "Unrecognized request format: "),
    ):
        reply = host.post(body)
        assert reply.status == status
        assert list(reply.json()) == ["error"]
        assert reply.json()["error"].startswith(text)


def test_a_wiki_that_hangs_is_a_500_at_the_timeout_of_the_environment(serve: Serve, wiki: Any) -> None:
    wiki.delays["12345"] = 30
    host = serve("enwiki-goodfaith", environ={"AIOHTTP_CLIENT_TIMEOUT": "0.3"})
    began = time.monotonic()
    assert host.post(BODY).status == 500
    assert time.monotonic() - began < 5


def test_a_long_revision_holds_up_no_other_request(serve: Serve, wiki: Any) -> None:
    """70,000 characters: the light requests are answered while the difference to the parent is computed."""
    sentences = [f"word{n}, [[link {n}]]." for n in range(3000)]
    wiki.add(20, " ".join(sentences))
    sentences[::30] = [f"another{n}, [[place {n}]]." for n in range(100)]
    wiki.add(21, " ".join(sentences), parent=20)
    assert len(wiki.revisions["21"]["slots"]["main"]["*"]) > 70_000
    host = serve("enwiki-goodfaith", arguments=["--workers", "2"])
    for _ in range(4):
        host.predict(BODY)
    with ThreadPoolExecutor(1) as client:
        began = time.monotonic()
        long = client.submit(lambda: (host.predict({"rev_id": 21}), time.monotonic() - began)[1])
        light = []
        while not long.done():
            start = time.monotonic()
            host.predict(BODY)
            light.append(time.monotonic() - start)
        assert len(light) > 3
        assert sorted(light)[len(light) // 2] < long.result() / 3


def test_what_an_operator_must_do_stands_in_the_report(liftwing: Serve, tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "WIKI_URL"}
    environ["LIFTWING_DOWNLOADS"] = str(tmp_path)
    host = liftwing("enwiki-goodfaith", "frwiki-damaging", environ=environ, wait=False,
                    config={"models": {"frwiki-damaging": {"wiki_url": "http://localhost"}}})  # fmt: skip
    host.wait_for(lambda: host.log.count("is NOT READY") == 2, "the report")
    said = " ".join(host.log.split())
    assert "The environment variable WIKI_URL is not set. Please set it before running the server." in said
    assert "There is no model file at /mnt/models/frwiki-damaging/model.bin or /mnt/models/model.bin" in said
    assert "Traceback" not in host.log


def test_a_downloaded_file_is_served(
    liftwing: Serve, wiki: Any, trained: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "enwiki-goodfaith").mkdir()
    shutil.copy(trained["edit"], tmp_path / "enwiki-goodfaith" / "model.bin")
    host = liftwing("enwiki-goodfaith", environ={"WIKI_URL": wiki.url, "LIFTWING_DOWNLOADS": str(tmp_path)})
    assert host.post(BODY).status == 200
