"""What a client may send, and what is said where it may not."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from liftwing_host import InvalidInput
from liftwing_plugin_alexnet.instances import image_files

FILE = base64.b64encode(b"a file\xff\xfe").decode()
GOOD = {"image": {"b64": FILE}}


def refused(payload: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        image_files(payload, 3)
    return caught.value.message


def test_the_files_come_in_their_order() -> None:
    other = {"image": {"b64": base64.b64encode(b"other").decode()}}
    assert image_files({"instances": [GOOD, other, GOOD]}, 3) == [
        b"a file\xff\xfe",
        b"other",
        b"a file\xff\xfe",
    ]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ([], "Please verify that request input is a json dict"),
        ("text", "Please verify that request input is a json dict"),
        ({}, 'Missing "instances" in input data'),
        ({"instance": [GOOD]}, 'Missing "instances" in input data'),
        ({"instances": GOOD}, 'Expected "instances" to be a list'),
        ({"instances": []}, '"instances" is empty'),
    ],
)
def test_what_is_no_list_of_instances_is_told_the_form(payload: Any, said: str) -> None:
    told = refused(payload)
    assert said in told
    assert '{"instances": [{"image": {"b64": "<an image file in base64>"}}]}' in told


def test_too_many_instances_are_told_how_many_there_may_be() -> None:
    assert refused({"instances": [GOOD] * 4}) == (
        '"instances" has 4 images, more than the 3 that one request may bring: send several requests.'
    )


@pytest.mark.parametrize(
    ("instance", "said"),
    [
        (None, 'Missing "image"'),
        (FILE, 'Missing "image"'),
        ({"b64": FILE}, 'Missing "image"'),
        ({"image": FILE}, 'Missing "b64"'),
        ({"image": {"base64": FILE}}, 'Missing "b64"'),
        ({"image": {"b64": None}}, 'expected "b64" to be a string'),
        ({"image": {"b64": [1, 2]}}, 'expected "b64" to be a string'),
        ({"image": {"b64": ""}}, '"b64" is empty'),
        ({"image": {"b64": "data:image/png;base64," + FILE}}, "leave out what stands before the comma"),
        ({"image": {"b64": "not base64!"}}, "is not base64"),
        ({"image": {"b64": FILE[:-1]}}, "is not base64"),
        ({"image": {"b64": FILE[:6] + "\n" + FILE[6:]}}, "without line breaks"),
        ({"image": {"b64": FILE.replace("/", "_")}}, "is not base64"),
        ({"image": {"b64": "ääää"}}, "is not base64"),
    ],
)
def test_a_bad_instance_is_told_by_its_number(instance: Any, said: str) -> None:
    told = refused({"instances": [GOOD, instance]})
    assert told.startswith("instances[1]: ")
    assert said in told
