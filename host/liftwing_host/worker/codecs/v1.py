"""KServe's v1 protocol: JSON in, JSON out.

The texts of the errors, and what may be encoded, are those of KServe's FastAPI server (0.17), which parses
and encodes with orjson, too. Other than there, a body is tried as JSON whatever its content type: curl's
default is `application/x-www-form-urlencoded`.
"""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from ...errors import InvalidInput

__all__ = ["JSON", "decode", "decode_features", "encode", "encode_event", "encode_value"]

JSON = "application/json"

_LISTS = ("instances", "inputs")
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def decode(body: bytes | bytearray | memoryview) -> Any:
    """The payload of a request.

    Raises:
        InvalidInput: The body is no JSON, or `instances` or `inputs` is not a list.
    """
    payload = decode_features(body)
    if isinstance(payload, dict):
        for key in _LISTS:
            if key in payload and not isinstance(payload[key], list):
                raise InvalidInput(f'Expected "{key}" to be a list')
    return payload


def decode_features(body: bytes | bytearray | memoryview) -> Any:
    """What a transformer sends: any JSON value, whose keys are the plugin's own.

    Raises:
        InvalidInput: The body is no JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Unrecognized request format: {error}") from None


def encode(response: Any) -> tuple[str | None, bytes]:
    """The content type and the body of a response.

    A str or bytes is sent as it is, without a content type, as KServe does. NaN and infinities become null,
    keys become strings, numpy scalars and arrays become numbers and lists.

    Raises:
        TypeError: The response holds something that JSON has no form for, such as a set.
    """
    if isinstance(response, str):
        return None, response.encode()
    if isinstance(response, bytes | bytearray | memoryview):
        return None, bytes(response)
    return JSON, _encode(response, _OPTIONS)


def encode_value(value: Any) -> bytes:
    """What goes from a transformer to a predictor, or back: as `encode` does, but always as JSON.

    Raises:
        TypeError: It holds something that JSON has no form for. A dataclass counts as such: what comes out at the
            other end would be a dict, and the hook there expects the dataclass.
    """
    try:
        return _encode(value, _OPTIONS | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError as error:
        raise TypeError(
            f"{error}. What goes between transformer and predictor must be of dicts, lists, texts, numbers, true, "
            "false and None; numpy's arrays become lists."
        ) from None


def _encode(value: Any, options: int) -> bytes:
    try:
        return orjson.dumps(value, default=_default, option=options)
    except orjson.JSONEncodeError as error:
        # orjson stops at integers of more than 64 bits, lone surrogates and numpy scalars as keys; the
        # standard library's encoder takes them. What neither takes is reported in orjson's words.
        try:
            return json.dumps(_plain(value, options), allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError):
            raise TypeError(str(error)) from None


def encode_event(event: Any) -> bytes:
    """An event as JSON.

    Raises:
        TypeError: It is no object, or holds something that JSON has no form for.
    """
    if not isinstance(event, dict):
        raise TypeError(f"an event must be a dict, not {type(event).__name__}")
    return orjson.dumps(event, default=_default, option=_OPTIONS)


def _default(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")


def _plain(value: Any, options: int) -> Any:
    """`value` as dicts, lists and scalars that the standard library's encoder takes."""
    if isinstance(value, dict):
        return {_key(key): _plain(item, options) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, options) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), options)
    # Dates, UUIDs, enumerations, dataclasses: whatever orjson knows by itself.
    return orjson.loads(orjson.dumps(value, default=_default, option=options))


def _key(key: Any) -> Any:
    if isinstance(key, float) and not math.isfinite(key):
        return "null"
    if key is None or isinstance(key, str | bool | int | float):
        return key
    if hasattr(key, "item"):
        return _key(key.item())
    return orjson.loads(orjson.dumps(key))
