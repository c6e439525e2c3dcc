"""Every object, in memory for reading and in SQLite for keeping.

Reads and writes are synchronous and see each other at once. SQLite follows behind in batches, one transaction
for all that was written since the last; `durable()` returns once everything written so far would survive the
end of the process, SIGKILL included, and the HTTP layer acknowledges no write before it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from devcluster.history import ADDED, DELETED, MODIFIED, Change, History
from devcluster.labelindex import LabelIndex
from devcluster.selectors import Mark

Object = dict[str, Any]
Key = tuple[str, str, str]  # resource, namespace ("" when cluster-scoped), name

# Revisions handed out but not committed when the process was killed must not come again for other contents.
REVISION_GAP = 10_000
FIRST_REVISION = 1000  # so that small numbers are too old even in a new cluster, as in a real one


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one object: as an object (never to be changed) and as the JSON that is sent."""

    key: Key
    obj: Object
    raw: bytes
    revision: int

    def copy(self) -> Object:
        """The object, the caller's own to change."""
        copied: Object = orjson.loads(self.raw)
        return copied


class Store:
    """All objects of one cluster. With no path, nothing is kept beyond the process."""

    def __init__(self, path: Path | None = None) -> None:
        self.history = History()
        self._data: dict[str, dict[tuple[str, str], Record]] = {}
        self._uids: dict[str, Key] = {}
        self._dependents: dict[str, set[Key]] = {}
        self._labels = LabelIndex()
        self._pending: dict[Key, bytes | None] = {}
        self._written = 0
        self._committed = 0
        self._flushing: asyncio.Task[None] | None = None
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._db = _open(path)
        self.revision = self._load()
        self.history.begin(self.revision)

    # reading

    def get(self, key: Key) -> Record | None:
        return self._data.get(key[0], {}).get((key[1], key[2]))

    def select(self, resource: str, namespace: str = "", marks: Sequence[Mark] = ()) -> list[Record]:
        """The records of one resource that have all these marks, in one namespace or in all (""), sorted by
        namespace and name."""
        rows = self._data.get(resource, {})
        marked = self._labels.narrow(resource, rows.keys(), marks)
        names = (name for name in marked if name[0] == namespace) if namespace else iter(marked)
        return [rows[name] for name in sorted(names)]

    def in_namespace(self, namespace: str) -> Iterator[Record]:
        """Every record of every resource in a namespace."""
        for rows in list(self._data.values()):
            yield from [record for (ns, _), record in rows.items() if ns == namespace]

    def everything(self) -> list[Record]:
        return [record for rows in self._data.values() for record in rows.values()]

    def by_uid(self, uid: str) -> Record | None:
        key = self._uids.get(uid)
        return self.get(key) if key else None

    def dependents(self, uid: str) -> list[Record]:
        """The records that name `uid` as an owner."""
        found = (self.get(key) for key in sorted(self._dependents.get(uid, ())))
        return [record for record in found if record]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._data.values())

    # writing

    def put(self, key: Key, obj: Object) -> Record:
        """Store `obj` with a new resourceVersion and tell the watchers. The object belongs to the store from
        now on.
        """
        previous = self.get(key)
        record = self._record(key, obj)
        if previous:
            self._unindex(previous)
        self._insert(record)
        self._remember(key, record.raw)
        kind = MODIFIED if previous else ADDED
        self.history.publish(Change(record.revision, kind, record, previous))
        return record

    def remove(self, key: Key) -> Record:
        """Remove what is there; the last state is told to watchers with the revision of its end."""
        previous = self._data[key[0]].pop((key[1], key[2]))
        self._unindex(previous)
        last = self._record(key, previous.copy())
        self._remember(key, None)
        self.history.publish(Change(last.revision, DELETED, last, previous))
        return last

    def _record(self, key: Key, obj: Object) -> Record:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return Record(key, obj, orjson.dumps(obj), self.revision)

    def _insert(self, record: Record) -> None:
        resource, namespace, name = record.key
        self._data.setdefault(resource, {})[(namespace, name)] = record
        self._uids[record.obj["metadata"]["uid"]] = record.key
        self._labels.add(resource, (namespace, name), _marked(record))
        for uid in _owners(record):
            self._dependents.setdefault(uid, set()).add(record.key)

    def _unindex(self, record: Record) -> None:
        self._uids.pop(record.obj["metadata"]["uid"], None)
        self._labels.remove(record.key[0], record.key[1:], _marked(record))
        for uid in _owners(record):
            keys = self._dependents.get(uid, set())
            keys.discard(record.key)
            if not keys:
                self._dependents.pop(uid, None)

    # keeping

    async def durable(self) -> None:
        """Return once all that was written before this call is in SQLite."""
        target = self._written
        while self._committed < target:
            await asyncio.shield(self._flush_task())

    def close(self) -> None:
        """Write what is left and close. Call it from outside the loop, or when nothing else runs."""
        self._writer.shutdown(wait=True)
        self._commit(self._take())
        self._db.close()

    def _remember(self, key: Key, raw: bytes | None) -> None:
        self._pending[key] = raw
        self._written += 1
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # no loop runs (a test, a script): close() writes it
        self._flush_task()

    def _flush_task(self) -> asyncio.Task[None]:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
        return self._flushing

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            upto, batch = self._written, self._take()
            await loop.run_in_executor(self._writer, self._commit, batch)
            self._committed = upto

    def _take(self) -> list[tuple[Key, bytes | None]]:
        batch, self._pending = list(self._pending.items()), {}
        return batch

    def _commit(self, batch: Iterable[tuple[Key, bytes | None]]) -> None:
        rows = list(batch)
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", [(*k, raw) for k, raw in rows if raw]
            )
            gone = [key for key, raw in rows if raw is None]
            self._db.executemany(
                "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", gone
            )
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('revision', ?)", (self.revision,))

    def _load(self) -> int:
        for resource, namespace, name, raw in self._db.execute("SELECT * FROM objects"):
            obj = orjson.loads(raw)
            self._insert(
                Record((resource, namespace, name), obj, raw, int(obj["metadata"]["resourceVersion"]))
            )
        row = self._db.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
        return int(row[0]) + REVISION_GAP if row else FIRST_REVISION


def _marked(record: Record) -> dict[str, str]:
    return record.obj["metadata"].get("labels") or {}


def _owners(record: Record) -> list[str]:
    return [reference["uid"] for reference in record.obj["metadata"].get("ownerReferences") or ()]


def _open(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", check_same_thread=False)
    # NORMAL in WAL mode survives the end of the process; only a power cut may lose the last transactions.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER)")
    columns = "resource TEXT, namespace TEXT, name TEXT, body BLOB, PRIMARY KEY (resource, namespace, name)"
    db.execute(f"CREATE TABLE IF NOT EXISTS objects ({columns}) WITHOUT ROWID")
    return db
