"""How attaching and detaching write: each write under a condition, or rehearsed without effect.

A rehearsal sends every write with `dryRun=All`, so that the API server itself says what it would refuse:
rights, admission, quotas. It remembers what would have come of each write, so that the next one builds on it,
and it goes on after a refusal, so that all of them are known before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from provisioner import labels
from provisioner.cluster import Cluster
from provisioner.copies import live
from provisioner.errors import ConflictError, ForeignObjectError, PermanentError
from provisioner.routing.router.attachment import digest

Json = dict[str, Any]
Key = tuple[str, str, str]

CONFLICTS = 5  # how often an update is tried again because somebody else wrote meanwhile


@dataclass(frozen=True)
class Step:
    """One write that was made, or would be: what (create, change, delete ...), and of which object; the
    object before and after, None where there is none."""

    what: str
    kind: str
    namespace: str
    name: str
    before: Json | None = field(default=None, compare=False, repr=False)
    after: Json | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.what} {self.kind} {self.namespace}/{self.name}"


class Writer:
    """Writes to one cluster. With `dry` nothing has an effect, and refusals are kept in `problems`."""

    def __init__(self, cluster: Cluster, *, dry: bool) -> None:
        self.dry = dry
        self.problems: list[PermanentError] = []
        self._cluster = cluster
        self._rehearsed: dict[Key, Json] = {}

    def apply(self, wanted: Json) -> Iterator[Step]:
        """Creates or changes an object of our own; ForeignObjectError for one of its name that is not."""
        read: list[Json | None] = []
        if self._refused(lambda: read.append(self._get(_key(wanted)))):
            return
        (before,) = read
        stamped = _stamped(wanted)
        if self._refused(lambda: _refuse_foreign(before, wanted)):
            return
        if before and _stamp(before) == _stamp(stamped) and live.covers(before, stamped):
            return
        yield from self._write("change" if before else "create", before, lambda: self._send(stamped))

    def update(self, obj: Json, change: Callable[[Json], Json], what: str) -> Iterator[Step]:
        """Changes an object on condition that nobody wrote meanwhile; else reads it and tries again."""
        for _ in range(CONFLICTS):
            now = self._get(_key(obj))
            wanted = self._changed(now, change) if now else None
            if wanted is None or wanted == now:
                return
            try:
                yield from self._write(what, now, partial(self._replace, wanted))
                return
            except ConflictError:
                continue
        raise ConflictError(
            "it is written to all the time; stop the tool that does so, or try again", where=_where(obj)
        )

    def delete(self, obj: Json) -> Iterator[Step]:
        """Deletes that very object."""
        metadata = obj["metadata"]
        kind, namespace, name = _key(obj)
        send = self._cluster.rehearse_delete if self.dry else self._cluster.delete
        if not self._refused(lambda: send(kind, name, namespace, uid=metadata["uid"])):
            yield Step("delete", kind, namespace, name, obj)

    def _changed(self, now: Json, change: Callable[[Json], Json]) -> Json | None:
        """The object as it is to be; None where that is refused, which a rehearsal notes."""
        made: list[Json] = []
        self._refused(lambda: made.append(change(now)))
        return made[0] if made else None

    def _replace(self, wanted: Json) -> Json:
        return self._cluster.rehearse_replace(wanted) if self.dry else self._cluster.replace(wanted)

    def _send(self, stamped: Json) -> Json:
        send = self._cluster.rehearse if self.dry else self._cluster.apply
        return send(stamped, force=True)

    def _write(self, what: str, before: Json | None, send: Callable[[], Json]) -> Iterator[Step]:
        answers: list[Json] = []
        if self._refused(lambda: answers.append(send())):
            return
        (after,) = answers
        key = _key(after)
        if self.dry:
            self._rehearsed[key] = after
        yield Step(what, *key, before, after)

    def _refused(self, send: Callable[[], object]) -> bool:
        """Whether a rehearsed write is refused for good; in earnest the refusal is raised."""
        try:
            send()
        except PermanentError as error:
            if not self.dry:
                raise
            self.problems.append(error)
            return True
        return False

    def _get(self, key: Key) -> Json | None:
        kind, namespace, name = key
        return self._rehearsed.get(key) or self._cluster.get(kind, name, namespace)


def _key(obj: Json) -> Key:
    return obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"]


def _where(obj: Json) -> str:
    kind, namespace, name = _key(obj)
    return f"{kind} {namespace}/{name}"


def _refuse_foreign(before: Json | None, wanted: Json) -> None:
    ours = labels.of_chain(wanted["metadata"]["labels"][labels.CHAIN])
    marks = (before["metadata"].get("labels") or {}) if before else ours
    if any(marks.get(key) != value for key, value in ours.items()):
        raise ForeignObjectError("exists and is not Laneway's; rename or remove it", where=_where(wanted))


def _stamped(wanted: Json) -> Json:
    """With a hash of itself, so that the next run knows whether anything is to be written."""
    metadata = wanted["metadata"]
    note = {labels.SPEC_HASH: digest(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **note}}}


def _stamp(obj: Json) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(labels.SPEC_HASH, ""))
