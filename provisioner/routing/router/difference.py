"""What a write changes, as a diff for people. Pure."""

from __future__ import annotations

import difflib
from typing import Any

import yaml

Json = dict[str, Any]

# what the API server keeps for itself and nobody looks for in a diff
_KEPT = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")


def unified(before: Json | None, after: Json | None) -> str:
    """A unified diff of two states of an object as YAML; None is none at all."""
    lines = difflib.unified_diff(_lines(before), _lines(after), "now", "then", n=2, lineterm="")
    return "\n".join(lines)


def _lines(obj: Json | None) -> list[str]:
    if obj is None:
        return []
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _KEPT}
    shown = {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}
    return str(yaml.safe_dump(shown, width=200)).splitlines()
