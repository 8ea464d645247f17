"""Renders a kustomization as far as those of deploy/kubernetes go: resources, a namespace, patches that are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.deploy.tools import document, documents

if TYPE_CHECKING:
    from pathlib import Path

# The field by which the items of a list are told apart when they are merged.
KEYS = {"containers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}


def render(folder: Path) -> list[dict[str, Any]]:
    """The objects that `kubectl apply -k` would send."""
    kustomization = document(folder / "kustomization.yaml")
    unknown = set(kustomization) - {"apiVersion", "kind", "namespace", "resources", "patches"}
    assert not unknown, f"teach this module {unknown}"
    objects: list[dict[str, Any]] = []
    for name in kustomization["resources"]:
        path = folder / name
        objects += render(path) if path.is_dir() else documents(path)
    if namespace := kustomization.get("namespace"):
        for item in objects:
            item["metadata"]["namespace"] = namespace
    for patch in kustomization.get("patches", []):
        (change,) = documents(folder / patch["path"])
        (target,) = [item for item in objects if _identity(item) == _identity(change)]
        _merge(target, change)
    return objects


def _identity(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["kind"], item["metadata"]["name"], item["metadata"].get("namespace", "")


def _merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif isinstance(value, list) and name in KEYS and name in target:
            _merge_items(target[name], value, KEYS[name])
        else:
            target[name] = value


def _merge_items(target: list[dict[str, Any]], change: list[dict[str, Any]], key: str) -> None:
    there = {item[key]: item for item in target}
    for item in change:
        if item[key] in there:
            _merge(there[item[key]], item)
        else:
            target.append(item)
