"""Events: what happened to an object, so that `kubectl describe` tells the story.

The same thing happening again raises the count of its Event instead of making another. Events older than
an hour are removed, as an API server does by default.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Literal

import structlog

from devcluster.api import ApiError
from devcluster.controllers.view import Object, View, key_of, now, seconds_since

KEPT_FOR = 3600.0  # seconds
SWEEP_EVERY = 300.0  # seconds

_log = structlog.get_logger(__name__)


class Recorder:
    """Writes Events in the name of one component."""

    def __init__(self, view: View, component: str) -> None:
        self._view = view
        self._component = component

    def normal(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        self._record("Normal", obj, reason, message, field)

    def warning(self, obj: Object, reason: str, message: str, field: str = "") -> None:
        """`field` is the part of the object it is about, e.g. spec.containers{app}."""
        self._record("Warning", obj, reason, message, field)

    def _record(
        self, kind: Literal["Normal", "Warning"], obj: Object, reason: str, message: str, field: str
    ) -> None:
        uid = obj["metadata"]["uid"]
        same = hashlib.sha256("\0".join((uid, kind, reason, message, field, self._component)).encode())
        key = (_namespace(obj), f"{obj['metadata']['name']}.{same.hexdigest()[:16]}")
        known = self._view.get("events", key)
        try:
            if known is not None:
                again = {"count": known.get("count", 1) + 1, "lastTimestamp": now()}
                self._view.patch("events", key, again)
            else:
                self._view.create("events", key[0], self._event(key[1], kind, obj, reason, message, field))
        except ApiError as error:
            # The namespace is ending, or the name is no legal one: the event is lost, the work is not.
            _log.info("event.lost", object="/".join(key_of(obj)), reason=reason, error=error.message)

    def _event(self, name: str, kind: str, obj: Object, reason: str, message: str, field: str) -> Object:
        about = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], **_identity(obj)}
        if field:
            about["fieldPath"] = field
        moment = now()
        return {
            "metadata": {"name": name, "namespace": _namespace(obj)},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "devcluster",
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "eventTime": None,
        }


def _namespace(obj: Object) -> str:
    """Events of what has no namespace live in `default`."""
    return str(obj["metadata"].get("namespace") or "default")


def _identity(obj: Object) -> Object:
    metadata = obj["metadata"]
    fields = ("name", "namespace", "uid", "resourceVersion")
    return {field: metadata[field] for field in fields if metadata.get(field)}


async def sweep(view: View) -> None:
    """Remove old Events, for ever."""
    while True:
        for event in view.all("events"):
            stamp = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
            if seconds_since(stamp) > KEPT_FOR:
                view.delete("events", event)
        await asyncio.sleep(SWEEP_EVERY)
