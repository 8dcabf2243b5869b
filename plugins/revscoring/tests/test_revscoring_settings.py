"""What an operator may set, and what is said where it may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftwing_host import ConfigurationError, read_settings
from liftwing_plugin_revscoring.settings import RevscoringSettings


def from_environment(**variables: str) -> RevscoringSettings:
    """The settings of an environment."""
    return read_settings(RevscoringSettings, environ=variables)


def test_lift_wings_variables_are_read_as_what_they_are() -> None:
    settings = from_environment(
        INFERENCE_NAME="enwiki-goodfaith",
        WIKI_URL="http://api-ro.discovery.wmnet",
        WIKI_HOST="en.wikipedia.org",
        MODEL_PATH="/mnt/models/model.bin",
        AIOHTTP_CLIENT_TIMEOUT="2",
        LOG_JSON_PAYLOAD="True",
        EVENTGATE_STREAM="mediawiki.revision-score-test",
        EVENTGATE_URL="https://eventgate",
        ASYNCIO_USE_PROCESS_POOL="True",
    )
    assert settings == RevscoringSettings(
        wiki_url="http://api-ro.discovery.wmnet",
        wiki_host="en.wikipedia.org",
        model_path=Path("/mnt/models/model.bin"),
        sha256=None,
        aiohttp_client_timeout=2.0,
        log_json_payload=True,
        eventgate_stream="mediawiki.revision-score-test",
        custom_ua=None,
    )
    assert isinstance(settings.aiohttp_client_timeout, float)


def test_the_defaults_are_lift_wings() -> None:
    settings = from_environment()
    assert settings.aiohttp_client_timeout == 5.0
    assert settings.log_json_payload is False


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("WIKI_URL", "en.wikipedia.org", "http or https URL"),
        ("WIKI_URL", "http://host:99999", "http or https URL"),
        ("WIKI_URL", "http://[::1", "http or https URL"),
        ("WIKI_HOST", "en.wikipedia.org/wiki", "the name of a host"),
        ("WIKI_HOST", "en\r\nX-Evil: 1", "the name of a host"),
        ("AIOHTTP_CLIENT_TIMEOUT", "soon", "a number greater than 0"),
        ("AIOHTTP_CLIENT_TIMEOUT", "0", "a number greater than 0"),
        ("LOG_JSON_PAYLOAD", "perhaps", "true or false"),
        ("CUSTOM_UA", "a\r\nX-Evil: 1", "printable ASCII"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(**{variable: value})
    assert f"{variable}={value!r}" in caught.value.message
    assert allowed in caught.value.message


@pytest.mark.parametrize("digits", ["", "abc", "g" * 64, "0" * 63, "0" * 65])
def test_a_checksum_has_64_digits(digits: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits"):
        read_settings(RevscoringSettings, table={"sha256": digits})
