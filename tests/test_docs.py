"""The page for operators leaves no setting out, and its defaults are true."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.settings import HostSettings, ModelSettings, PluginSettings

PAGE = (Path(__file__).parent.parent / "docs" / "operating.md").read_text()


@pytest.mark.parametrize(
    "kind", [HostSettings, PluginSettings, ModelSettings], ids=lambda kind: kind.__name__
)
def test_every_setting_is_on_the_page_for_operators(kind: type) -> None:
    heading = {HostSettings: "Of the host", PluginSettings: "Of one plugin", ModelSettings: "Of one model"}[
        kind
    ]
    section = PAGE.partition(f"### {heading}")[2].partition("\n#")[0]
    fields = [field.name for field in dataclasses.fields(kind)]
    assert [name for name in fields if f"`{name}`" not in section] == []


def test_the_page_tells_the_variables_and_defaults_that_hold() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(LIFTWING_\w+)` \| [^|]*\| ([^|]*?) \|", PAGE, re.MULTILINE)
    fields = {field.name: field for field in dataclasses.fields(HostSettings)}
    assert len(rows) >= 19
    for name, variable, default in rows:
        assert fields[name].metadata["env"] == variable
        value = fields[name].default
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert float(default) == value, name
        elif isinstance(value, bool):
            assert default == str(value).lower(), name


def test_the_page_tells_the_metrics_that_there_are(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("echo")
    host.predict(1)
    shown = set(re.findall(r"^# TYPE (liftwing_\w+) ", host.get("/metrics").body.decode(), re.MULTILINE))
    told = set(re.findall(r"^\| `(liftwing_\w+)[{`]", PAGE.partition("## Metrics")[2], re.MULTILINE))
    assert told == {name for name in shown if not name.startswith("liftwing_events")}
