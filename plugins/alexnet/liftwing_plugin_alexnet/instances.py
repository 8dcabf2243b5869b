"""What a client sends: image files in base64, in TensorFlow's and KServe's form for binary values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from liftwing_host import InvalidInput

__all__ = ["image_files", "in_instance"]

_FORM = '{"instances": [{"image": {"b64": "<an image file in base64>"}}]}'


def image_files(payload: object, max_instances: int) -> list[bytes]:
    """The files in the body of a request.

    Args:
        payload: The decoded body.
        max_instances: How many there may be.

    Raises:
        InvalidInput: It is not of the documented form; the message says where, and what is expected.
    """
    if not isinstance(payload, dict):
        raise InvalidInput(f"Please verify that request input is a json dict: expected {_FORM}.")
    if "instances" not in payload:
        raise InvalidInput(f'Missing "instances" in input data: expected {_FORM}.')
    instances = payload["instances"]
    if not isinstance(instances, list):
        raise InvalidInput(f'Expected "instances" to be a list: {_FORM}.')
    if not instances:
        raise InvalidInput(f'"instances" is empty: send at least one image, {_FORM}.')
    if len(instances) > max_instances:
        raise InvalidInput(
            f'"instances" has {len(instances)} images, more than the {max_instances} that one request may bring: '
            f"send several requests."
        )
    return [_image_file(number, instance) for number, instance in enumerate(instances)]


@contextmanager
def in_instance(number: int) -> Iterator[None]:
    """Name the instance in the `InvalidInput` that is raised within."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"instances[{number}]: {error.message}") from error


def _image_file(number: int, instance: object) -> bytes:
    with in_instance(number):
        encoded = _value(_value(instance, "image", "an image"), "b64", "a file")
        if not isinstance(encoded, str):
            raise InvalidInput('expected "b64" to be a string.')
        if encoded.startswith("data:"):
            raise InvalidInput('expected "b64" to be base64 alone: leave out what stands before the comma.')
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(
                f'"b64" is not base64 ({error}): expected letters, digits, "+", "/" and padding by "=", '
                f"without line breaks, as `base64 -w 0 FILE` writes it."
            ) from None
        if not data:
            raise InvalidInput('"b64" is empty: send an image file.')
        return data


def _value(holder: object, key: str, what: str) -> Any:
    if not isinstance(holder, dict) or key not in holder:
        raise InvalidInput(f'Missing "{key}": expected {what} as {{"image": {{"b64": "<base64>"}}}}.')
    return holder[key]
