"""Writes small plugins to a folder as if pip had installed them there."""

from __future__ import annotations

import os
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["install", "path_with", "wheel"]


def install(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    models: Mapping[str, str] | None = None,
    families: Mapping[str, str] | None = None,
    extensions: Mapping[str, str] | None = None,
    others: Mapping[str, Mapping[str, str]] | None = None,
    code: Mapping[str, str] | None = None,
) -> Path:
    """Write a distribution's metadata, and its modules where it has any.

    Args:
        folder: What stands for site-packages.
        name: The distribution's name.
        version: Its version.
        models: Its models, and where their code is.
        families: Its families, likewise.
        extensions: Its extensions of the host, likewise.
        others: Its entry points in other groups, by the group.
        code: The source of its modules.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = {"liftwing_host.models": models or {}, "liftwing_host.families": families or {}}
    groups |= {"liftwing_host": extensions or {}, **(others or {})}
    lines = []
    for group, entry_points in groups.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entry_points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, source in (code or {}).items():
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
    return folder


def wheel(folder: Path, name: str, *, version: str = "1.0", models: Mapping[str, str]) -> Path:
    """Write a distribution as a wheel, which pip installs without an index."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = install(folder / "unpacked", name, version=version, models=models) / f"{stem}.dist-info"
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    names = [f"{info.name}/{file.name}" for file in sorted(info.iterdir())]
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in [*names, f"{info.name}/RECORD"]))
    made = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for file in sorted(info.iterdir()):
            archive.write(file, f"{info.name}/{file.name}")
    return made


def path_with(folder: Path) -> dict[str, str]:
    """The environment in which a host finds what `install` wrote to a folder."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}
