"""Which file a model is loaded from, and its bytes, checked before anything of them is unpickled."""

from __future__ import annotations

import bz2
import hashlib
from pathlib import Path

from liftwing_host import ConfigurationError, ModelConfig, ModelFileMissing

from .settings import RevscoringSettings

__all__ = ["DEMO_MODEL", "find_model", "read_model"]

DEMO_MODEL = "enwiki-reverted"
"""The model of which a small one ships with the plugin."""

_DEMO = Path(__file__).parent / "demo"
_BZIP2 = b"BZh"
_LFS_POINTER = b"version https://git-lfs"


def find_model(config: ModelConfig, settings: RevscoringSettings) -> Path:
    """The model file: the demo's, or that of the settings, or the first of the usual places that is there.

    Raises:
        ModelFileMissing: There is none. The message says where it was looked for and what to do.
        ConfigurationError: The demo has no such model, or a place cannot be looked at.
    """
    if config.demo:
        return _find_demo(config.name)
    # As Lift Wing.
    names = ("model.bz2", "model.bin") if config.name.endswith("-draftquality") else ("model.bin",)
    advice = (
        f"Put the file of {config.name} there, or say in MODEL_PATH, or as model_path in [models.{config.name}], where "
        f"it is. Wikimedia publishes its models at https://analytics.wikimedia.org/published/wmf-ml-models/ . "
        f"To try without one, `liftwing-host --model {DEMO_MODEL} --demo` serves the small demo model."
    )
    return config.find_file(*names, path=settings.model_path, advice=advice)


def _find_demo(name: str) -> Path:
    if name != DEMO_MODEL:
        raise ConfigurationError(
            f"The demo has the model {DEMO_MODEL} and no other. Serve {name} without --demo, from its model file."
        )
    for suffix in (".bin", ".bin.bz2"):
        if (_DEMO / f"{name}{suffix}").is_file():
            return _DEMO / f"{name}{suffix}"
    raise ModelFileMissing(f"The demo's model is not at {_DEMO}: install liftwing-plugin-revscoring again.")


def read_model(path: Path, sha256: str | None) -> bytes:
    """The pickle in a model file, unpacked if it is packed with bzip2, whatever its name.

    Args:
        path: The file.
        sha256: The checksum that it must have, in hexadecimal; None: any.

    Raises:
        ConfigurationError: It cannot be read, or is not what it should be.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ConfigurationError(
            f"{path} is not the file that the settings name: its sha256 is {found}, and {sha256.lower()} was "
            f"expected. It was not loaded. Get the right file, or, if you trust this one, change the setting."
        )
    if content.startswith(_LFS_POINTER):
        raise ConfigurationError(f"{path} only points to the model: run `git lfs pull` where it came from.")
    if not content.startswith(_BZIP2):
        return content
    try:
        return bz2.decompress(content)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be unpacked with bzip2: {error}.") from error
