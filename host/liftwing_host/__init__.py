"""Everything that the author of a model plugin needs.

Imports pluggy and the standard library only, so that a plugin's own interpreter needs nothing else of the host.
"""

from __future__ import annotations

from .errors import (
    ConfigurationError,
    DeadlineExceeded,
    InferenceError,
    InvalidInput,
    LiftwingError,
    ModelFileMissing,
)
from .hookspecs import hookimpl
from .model import Model, ModelConfig
from .published import PublishedFile
from .request import Request
from .setting import read_settings, setting

__all__ = [
    "ConfigurationError",
    "DeadlineExceeded",
    "InferenceError",
    "InvalidInput",
    "LiftwingError",
    "Model",
    "ModelConfig",
    "ModelFileMissing",
    "PublishedFile",
    "Request",
    "hookimpl",
    "read_settings",
    "setting",
]
