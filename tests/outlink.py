"""Asks the outlink plugin's hooks about pages of the test wiki, as the host would."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest

from liftwing_host import LiftwingError, ModelConfig, Request, read_settings
from liftwing_plugin_outlink import OutlinkTopicModel
from liftwing_plugin_outlink.settings import OutlinkSettings
from mediawiki.corpus import CORPUS

ADAMS = {"lang": "en", "page_title": "Douglas Adams"}
UNAVAILABLE = (
    "An unexpected error has occurred while trying to get outlinks from MW API. "
    "Please contact the ML team for more info."
)


def load(url: str, **settings: Any) -> OutlinkTopicModel:
    """The model with the demo's weights, before the wikis at an address, and without a pause before a retry."""
    table = {"wiki_url": url, "mw_api_retry_base_delay": 0, **settings}
    config = ModelConfig(
        "outlink-topic-model", settings=read_settings(OutlinkSettings, table=table), demo=True
    )
    model = OutlinkTopicModel(config)
    model.load(config)
    return model


def asking(request_id: str = "a-request", seconds: float = math.inf) -> Request:
    """A request with a deadline."""
    return Request(request_id, "outlink-topic-model", deadline=time.monotonic() + seconds)


async def fetch_all(model: OutlinkTopicModel, payloads: list[dict[str, Any]], request: Request) -> list[Any]:
    """What `fetch` gives for several payloads at the same time."""
    await model.start()
    try:
        return await asyncio.gather(*(model.fetch(payload, request) for payload in payloads))
    finally:
        await model.stop()


def items(url: str, payload: dict[str, Any], request: Request | None = None, **settings: Any) -> set[str]:
    """The items that the plugin finds for one payload."""
    [found] = asyncio.run(fetch_all(load(url, **settings), [payload], request or asking()))
    assert len(set(found.items)) == len(found.items)
    return set(found.items)


def error(
    url: str, payload: dict[str, Any], request: Request | None = None, **settings: Any
) -> LiftwingError:
    """The error that the client gets."""
    with pytest.raises(LiftwingError) as caught:
        items(url, payload, request, **settings)
    return caught.value


def items_of(*titles: str, wiki: str = "en") -> set[str]:
    """The items of pages, as the corpus has them."""
    of = {page.title: page.item for page in CORPUS[wiki]}
    return {item for title in titles if (item := of[title])}


def linked(title: str, wiki: str = "en") -> set[str]:
    """The items of the articles that the latest revision of an article links to, where all are articles."""
    [page] = (page for page in CORPUS[wiki] if page.title == title)
    lines = page.revisions[-1].split("\n")
    targets = [line[len("* [[:") : -len("]]")] for line in lines if line.startswith("* [[:")]
    return items_of(*targets, wiki=wiki)
