"""JSON schemas of KServe's objects, made from what KServe publishes: its Python SDK and Kubernetes' own schemas.

The SDK's classes in `kserve.models` are generated from the same Go types as KServe's CRDs, and list every field with
its JSON name and type. They are read, not imported: the SDK needs far more than its models do. What they refer to of
Kubernetes (`V1Container`) comes from the strict schemas of kubernetes-validate. Unknown fields are errors everywhere.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import importlib_resources
from jsonschema import Draft202012Validator

_MADE_REQUIRED = re.compile(r"Invalid value for `(\w+)`, must not be `None`")
_PLAIN = {
    "bool": {"type": "boolean"},
    "datetime": {"type": "string"},
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "object": {},
    "str": {"type": "string"},
}
_OF_KUBERNETES = {
    "ResourceQuantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "V1ListMeta": "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
    "V1ObjectMeta": "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
}


def fetch_sdk(version: str, folder: Path) -> Path:
    """KServe's SDK from PyPI, without what it depends on: its wheel.

    Raises:
        subprocess.CalledProcessError: It cannot be had.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run(
        [*pip, f"kserve=={version}", "--dest", str(folder)], check=True, capture_output=True, text=True
    )
    [wheel] = folder.glob("kserve-*.whl")
    return wheel


class Schemas:
    """The schemas of one version of KServe.

    Args:
        wheel: KServe's SDK.
        kubernetes: The version of Kubernetes that KServe's objects are embedded in.
    """

    def __init__(self, wheel: Path, kubernetes: str) -> None:
        self._models = _models(wheel)
        self._definitions: dict[str, Any] = {}
        self._validators: dict[str, Draft202012Validator] = {}
        strict = f"kubernetes-json-schema/v{kubernetes}.0-local-strict/_definitions.json"
        text = (importlib_resources.files("kubernetes_validate") / strict).read_text()
        self._definitions.update(json.loads(text)["$defs"])

    def problems(self, manifest: dict[str, Any]) -> list[str]:
        """What is wrong with an object of KServe's: where, and why."""
        group, version = manifest["apiVersion"].split("/")
        assert group == "serving.kserve.io"
        root = f"V1{version.removeprefix('v1')}{manifest['kind']}"
        if root not in self._validators:
            self._validators[root] = Draft202012Validator(
                {**self._reference(root), "$defs": self._definitions}
            )
        found = self._validators[root].iter_errors(manifest)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]

    def _reference(self, name: str) -> dict[str, Any]:
        if name in _PLAIN:
            return _PLAIN[name]
        if name.startswith("list["):
            return {"type": "array", "items": self._reference(name[5:-1])}
        if name.startswith("dict("):
            return {"type": "object", "additionalProperties": self._reference(name[5:-1].split(", ", 1)[1])}
        if name in self._models:
            if name not in self._definitions:
                self._definitions[name] = {}  # It may refer to itself.
                self._definitions[name] = self._schema(name)
            return {"$ref": f"#/$defs/{name}"}
        return {"$ref": f"#/$defs/{self._kubernetes_name(name)}"}

    def _schema(self, name: str) -> dict[str, Any]:
        fields, required = self._models[name]
        return {
            "type": "object",
            "properties": {field: self._reference(kind) for field, kind in fields.items()},
            "required": required,
            "additionalProperties": False,
        }

    def _kubernetes_name(self, name: str) -> str:
        apps = name.removeprefix("K8sIoApiAppsV1")
        core = f"io.k8s.api.core.v1.{name.removeprefix('V1')}"
        named = _OF_KUBERNETES.get(name, core if apps == name else f"io.k8s.api.apps.v1.{apps}")
        if named not in self._definitions:
            # A type that is newer than this Kubernetes: nothing of it may be used.
            self._definitions[named] = {"not": {}}
        return named


def _models(wheel: Path) -> dict[str, tuple[dict[str, str], list[str]]]:
    """For each class of `kserve.models` the types of its fields, by their JSON names, and which it requires."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.fullmatch(r"kserve/models/\w+\.py", name) and "__init__" not in name:
                source = archive.read(name).decode()
                for node in ast.parse(source).body:
                    if isinstance(node, ast.ClassDef) and (fields := _fields(node)):
                        types, json_names = fields
                        required = [json_names[field] for field in _MADE_REQUIRED.findall(source)]
                        found[node.name] = (
                            {json_names[field]: kind for field, kind in types.items()},
                            list(dict.fromkeys(required)),
                        )
    return found


def _fields(node: ast.ClassDef) -> tuple[dict[str, str], dict[str, str]] | None:
    tables = {
        target.id: ast.literal_eval(statement.value)
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id in {"openapi_types", "attribute_map"}
    }
    return (tables["openapi_types"], tables["attribute_map"]) if len(tables) == 2 else None
