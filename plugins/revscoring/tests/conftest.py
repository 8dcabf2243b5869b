"""Models that were trained a moment ago with revscoring itself, and a wiki that answers as it is told to."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from liftwing_host import ModelConfig, Request, read_settings
from liftwing_plugin_revscoring import RevscoringModel
from liftwing_plugin_revscoring.settings import RevscoringSettings

# isort: split
# revscoring is imported by the plugin first, which knows what it warns of.
from revscoring.features import FeatureVector, revision_oriented, temporal, wikibase, wikitext
from revscoring.features.feature import Feature
from revscoring.scoring.models import GradientBoosting, RandomForest

NAME = "enwiki-goodfaith"
REV_ID, PARENT_ID = 12345, 12344


def edit_features() -> list[Feature]:
    """Features of an edit: of its revision, the parent and the author; one of them is made of others."""
    return [
        wikitext.revision.chars,
        wikitext.revision.diff.words_added / (wikitext.revision.parent.words + 1),
        revision_oriented.revision.user.is_anon,
        temporal.revision.user.seconds_since_registration,
    ]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files, by what they judge: an edit, an article (its revision alone), topics, an item of Wikidata."""
    folder = tmp_path_factory.mktemp("models")
    edits = [([n * 10, n * 1.5, n % 2 == 0, n * 1000], n > 20) for n in range(40)]
    edit = GradientBoosting(
        edit_features(), labels=[True, False], version="0.5.1", n_estimators=5, random_state=0
    )
    edit.train(edits)
    article_features = [wikitext.revision.chars, wikitext.revision.headings]
    article = RandomForest(
        article_features, labels=["Stub", "FA"], version="0.9.2", n_estimators=5, random_state=0, n_jobs=4
    )
    article.train([([n * 100, n], "FA" if n > 20 else "Stub") for n in range(40)])
    topics = GradientBoosting(
        article_features, labels=["STEM.STEM*", "Culture"], multilabel=True, version="1.3.0",
        n_estimators=5, random_state=0,
    )  # fmt: skip
    topics.train([([n * 100, n], ["STEM.STEM*"] if n > 20 else ["Culture"]) for n in range(40)])
    item = RandomForest([wikibase.revision.claims], labels=["A", "E"], version="0.5.0", n_estimators=3)
    item.train([([n], "A" if n > 20 else "E") for n in range(40)])
    files = {}
    for name, model in {"edit": edit, "article": article, "topics": topics, "item": item}.items():
        files[name] = folder / f"{name}.bin"
        with files[name].open("wb") as file:
            model.dump(file)
    return files


class FakeWiki:
    """Revisions and users, behind the parts of MediaWiki's API that the plugin asks.

    Attributes:
        url: Where it listens.
        revisions: The documents of the revisions, by id; a missing one is a bad id.
        users: The documents of the accounts, by name.
        answers: What is answered instead, by the id or name that is asked for: JSON, bytes, or a status.
        delays: Seconds before an answer, by the id or name that is asked for.
        asked: The ids and names that were asked for, in their order.
        headers: The headers of each call.
    """

    def __init__(self) -> None:
        self.url = ""
        self.closing: asyncio.Future[None]
        self.revisions: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Any] = {}
        self.delays: dict[str, float] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.add(PARENT_ID, "Some words of text.", parent=0)
        self.add(REV_ID, "Some words of text, and more of them.", parent=PARENT_ID)
        self.users["Ada"] = {"userid": 7, "name": "Ada", "groups": ["*", "user"], "editcount": 5}
        self.users["Ada"] |= {"registration": "2019-01-01T00:00:00Z", "gender": "unknown"}

    def add(self, rev_id: int, text: str, *, parent: int = 0, **changes: Any) -> None:
        """Add a revision; a change to None leaves a key out."""
        slot = {"contentmodel": "wikitext", "contentformat": "text/x-wiki", "*": text}
        document = {
            "revid": rev_id, "parentid": parent, "user": "Ada", "userid": 7, "timestamp": "2020-01-01T00:00:00Z",
            "size": len(text), "comment": "", "slots": {"main": slot}, **changes,
        }  # fmt: skip
        self.revisions[str(rev_id)] = {key: value for key, value in document.items() if value is not None}

    async def answer(self, request: web.Request) -> web.Response:
        query = request.query
        of = query.get("revids") or query.get("ususers") or query.get("entity") or ""
        self.asked.append(of)
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        if of in self.delays:
            # Until then, or until the test ends.
            await asyncio.wait([self.closing], timeout=self.delays[of])
        answer = self.answers.get(of, None)
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, bytes):
            return web.Response(body=answer)
        return web.json_response(answer if answer is not None else self._of(query, of))

    def _of(self, query: Any, of: str) -> dict[str, Any]:
        if query.get("list") == "users":
            return {"query": {"users": [self.users.get(of, {"name": of, "missing": ""})]}}
        if of not in self.revisions:
            return {"query": {"badrevids": {of: {"revid": int(of)}}}}
        page = {"pageid": 1, "ns": 0, "title": "Q42", "revisions": [copy.deepcopy(self.revisions[of])]}
        return {"query": {"pages": {"1": page}}}


@pytest.fixture
def wiki() -> Iterator[FakeWiki]:
    """A wiki, listening on a port of 127.0.0.1."""
    fake = FakeWiki()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/w/api.php", fake.answer)
        runner = web.AppRunner(app)
        fake.closing = loop.create_future()
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    yield fake
    loop.call_soon_threadsafe(fake.closing.set_result, None)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def load(trained: dict[str, Path], tmp_path: Path) -> Callable[..., RevscoringModel]:
    """Load a model of the settings that are given: that of edits, unless told otherwise."""

    def load(name: str = NAME, *, demo: bool = False, **settings: Any) -> RevscoringModel:
        if not demo:
            settings = {"wiki_url": "http://127.0.0.1:1", "model_path": str(trained["edit"])} | settings
            settings = {key: value for key, value in settings.items() if value is not None}
        config = ModelConfig(
            name,
            read_settings(RevscoringSettings, table=settings),
            demo=demo,
            downloads=tmp_path / "downloads",
            mounted=tmp_path / "mnt",
        )
        model = RevscoringModel(config)
        model.load(config)
        return model

    return load


@pytest.fixture
def ask(wiki: FakeWiki, load: Callable[..., RevscoringModel]) -> Callable[..., Any]:
    """Ask a model about the wiki's revisions, through all hooks, as the host would; its answer and its event."""

    def ask(payload: Any, *, name: str = NAME, model: RevscoringModel | None = None, **settings: Any) -> Any:
        model = model or load(name, wiki_url=wiki.url, **settings)

        async def fetch() -> Any:
            await model.start()
            try:
                return await model.fetch(payload, Request("a-request", name))
            finally:
                await model.stop()

        scored = model.predict(model.preprocess(asyncio.run(fetch())))
        return model.postprocess(scored), model.event(scored)

    return ask


@pytest.fixture(scope="session")
def vector() -> type:
    """revscoring's kind of feature that has several values."""
    kind: type = FeatureVector
    return kind
