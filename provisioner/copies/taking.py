"""Writes an object that a lane owns: what was read only as it was read, and nothing of anybody else's."""

from __future__ import annotations

from typing import Any, Protocol

from provisioner.cluster import FIELD_CONFLICT
from provisioner.copies.plan import identity
from provisioner.errors import ConflictError, ForeignObjectError

Json = dict[str, Any]


class Send(Protocol):
    """One of the cluster's server-side applies."""

    def __call__(self, obj: Json, *, force: bool) -> Json: ...


def applied(wanted: Json, there: Json | None, send: Send) -> Json:
    """The object as it is once written; `there` is what was read of it, None where nothing was. That is
    applied without force, so that one which somebody else has made meanwhile is not taken over.

    Raises ForeignObjectError where that is so, and ConflictError where somebody writes at this moment: look
    again.
    """
    if there is not None:
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        return send({**wanted, "metadata": {**wanted["metadata"], **version}}, force=True)
    try:
        return send(wanted, force=False)
    except ConflictError as error:
        if error.reason != FIELD_CONFLICT:
            raise
        raise ForeignObjectError(f"belongs to somebody else: {error.message}", where=named(wanted)) from error


def named(thing: Json) -> str:
    """An object as errors name it."""
    kind, namespace, name = identity(thing)
    return f"{kind} {namespace}/{name}"
