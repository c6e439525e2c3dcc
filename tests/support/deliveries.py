"""Deliveries as GitHub sends them: payloads from tests/data/github, signed."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parents[1] / "data" / "github"
SECRET = "a secret of the tests that is long enough"


def payload(name: str, **changes: Any) -> dict[str, Any]:
    """A payload by its file's name; a change's key is a path with `__` between its parts."""
    found: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return changed(found, **changes)


def changed(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with values put at their paths."""
    found = copy.deepcopy(data)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = found
        for part in parents:
            place = place[part]
        place[last] = value
    return found


def without(data: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy without the value at a path (`__` between its parts)."""
    found = copy.deepcopy(data)
    *parents, last = path.split("__")
    place = found
    for part in parents:
        place = place[part]
    del place[last]
    return found


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(event: str, body: bytes, *, delivery: str = "", secret: str = SECRET) -> dict[str, str]:
    """GitHub's headers for a body."""
    return {
        "x-github-event": event,
        "x-github-delivery": delivery or str(uuid.uuid4()),
        "x-hub-signature-256": sign(body, secret),
        "content-type": "application/json",
    }


def body(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode()
