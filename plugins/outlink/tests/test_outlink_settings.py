"""What an operator may set, and what is said where it may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftwing_host import ConfigurationError, read_settings
from liftwing_plugin_outlink.settings import OutlinkSettings


def from_environment(**variables: str) -> OutlinkSettings:
    """The settings of an environment."""
    return read_settings(OutlinkSettings, environ=variables)


def test_nothing_needs_to_be_set() -> None:
    settings = from_environment()
    assert settings == OutlinkSettings(
        wiki_url=None,
        model_path=None,
        model_version=None,
        eventgate_stream=None,
        aiohttp_client_timeout=5.0,
        mw_api_max_retries=2,
        mw_api_retry_base_delay=0.5,
        custom_ua=None,
    )


def test_lift_wings_variables_are_read_as_what_they_are() -> None:
    settings = from_environment(
        WIKI_URL="http://api-ro.discovery.wmnet",
        MODEL_PATH="/models/model.bin",
        MODEL_VERSION="20221111111111",
        EVENTGATE_STREAM="mediawiki.page_outlink_topic_prediction_change.v1",
        AIOHTTP_CLIENT_TIMEOUT="2",
        MW_API_MAX_RETRIES="0",
        MW_API_RETRY_BASE_DELAY="0.1",
        CUSTOM_UA="WMF ML Team outlink-topic-model svc",
    )
    assert settings == OutlinkSettings(
        wiki_url="http://api-ro.discovery.wmnet",
        model_path=Path("/models/model.bin"),
        model_version="20221111111111",
        eventgate_stream="mediawiki.page_outlink_topic_prediction_change.v1",
        aiohttp_client_timeout=2.0,
        mw_api_max_retries=0,
        mw_api_retry_base_delay=0.1,
        custom_ua="WMF ML Team outlink-topic-model svc",
    )
    assert isinstance(settings.aiohttp_client_timeout, float)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("WIKI_URL", "en.wikipedia.org", "http or https URL"),
        ("WIKI_URL", "ftp://en.wikipedia.org", "http or https URL"),
        ("WIKI_URL", "http://", "http or https URL"),
        ("WIKI_URL", "http://host:port", "http or https URL"),
        ("WIKI_URL", "http://host:99999", "http or https URL"),
        ("WIKI_URL", "http://[::1", "http or https URL"),
        ("WIKI_URL", "http://host/?a=b", "http or https URL"),
        ("WIKI_URL", "http://user@host", "http or https URL"),
        ("WIKI_URL", "http://ho st", "http or https URL"),
        ("WIKI_URL", "http://host\n", "http or https URL"),
        ("CUSTOM_UA", "a\r\nX-Evil: 1", "printable ASCII"),
        ("CUSTOM_UA", "ääni", "printable ASCII"),
        ("AIOHTTP_CLIENT_TIMEOUT", "soon", "a number greater than 0"),
        ("AIOHTTP_CLIENT_TIMEOUT", "0", "a number greater than 0"),
        ("AIOHTTP_CLIENT_TIMEOUT", "inf", "a number greater than 0"),
        ("MW_API_MAX_RETRIES", "-1", "a whole number of at least 0"),
        ("MW_API_MAX_RETRIES", "1.5", "a whole number of at least 0"),
        ("MW_API_RETRY_BASE_DELAY", "-0.1", "a number of at least 0"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_what_is_allowed(
    variable: str, value: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        from_environment(**{variable: value})
    assert f"{variable}={value!r}" in caught.value.message
    assert allowed in caught.value.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "https://en.wikipedia.org/", "http://[::1]:80"])
def test_the_address_of_a_server_is_a_good_wiki_url(url: str) -> None:
    assert from_environment(WIKI_URL=url).wiki_url == url
