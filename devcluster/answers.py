"""What goes back over HTTP: the form that the client asked for, and objects and lists put into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from devcluster import tables
from devcluster.errors import ApiError
from devcluster.requests import Call
from devcluster.resources import Resource, group_version
from devcluster.store import Object, Record

JSON, TABLE, PARTIAL = "json", "table", "partial"
META = "meta.k8s.io/v1"


@dataclass(frozen=True)
class Answer:
    """One complete answer."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def answer(code: int, obj: Any) -> Answer:
    return Answer(code, orjson.dumps(obj))


def refusal(error: ApiError) -> Answer:
    wait = (error.details or {}).get("retryAfterSeconds")
    return Answer(
        error.code, orjson.dumps(error.status()), headers={"retry-after": str(wait)} if wait else {}
    )


def form(accept: str) -> str:
    """The first form of an Accept header that can be served; ApiError 406 when there is none."""
    for entry in (accept or "*/*").split(","):
        media, *parameters = [part.strip().lower() for part in entry.split(";")]
        if media not in ("application/json", "*/*", "application/*", "application/yaml"):
            continue
        asked = next((p.removeprefix("as=") for p in parameters if p.startswith("as=")), "")
        if asked == "table":
            return TABLE
        if asked.startswith("partialobjectmetadata"):
            return PARTIAL
        if not asked:
            return JSON
    raise ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")


class Presenter:
    """Puts records of one resource into the form and the API version that one client asked for."""

    def __init__(self, resource: Resource, call: Call, accept: str, columns: tables.Columns) -> None:
        self.resource = resource
        self.form = form(accept)
        self._version = group_version(resource.group, call.version)
        self._convert = resource.custom and call.version != resource.version
        self._include = call.query.get("includeObject", "Metadata")
        self._columns = columns
        self._head_sent = False

    def one(self, record: Record) -> bytes:
        if self.form == TABLE:
            return orjson.dumps(self._table([record], record.obj["metadata"].get("resourceVersion", "")))
        if self.form == PARTIAL:
            return orjson.dumps(_partial(record.obj))
        return self._raw(record)

    def many(self, records: list[Record], meta: Object) -> bytes:
        if self.form == TABLE:
            return orjson.dumps({**self._table(records, ""), "metadata": meta})
        if self.form == PARTIAL:
            items = [_partial(record.obj) for record in records]
            return orjson.dumps(
                {"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": meta, "items": items}
            )
        head = orjson.dumps(
            {"kind": f"{self.resource.kind}List", "apiVersion": self._version, "metadata": meta}
        )
        return head[:-1] + b',"items":[' + b",".join(map(self._raw, records)) + b"]}"

    def event(self, kind: str, record: Record) -> bytes:
        """One line of a watch."""
        if self.form == TABLE:
            table = self._table([record], record.obj["metadata"]["resourceVersion"])
            if self._head_sent:
                table["columnDefinitions"] = None
            self._head_sent = True
            return orjson.dumps({"type": kind, "object": table}) + b"\n"
        return b'{"type":"' + kind.encode() + b'","object":' + self.one(record) + b"}\n"

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        meta: Object = {"resourceVersion": str(revision)}
        if initial_end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: Object = {"kind": self.resource.kind, "apiVersion": self._version, "metadata": meta}
        if self.form == TABLE:
            obj = {
                "kind": "Table",
                "apiVersion": META,
                "metadata": meta,
                "columnDefinitions": None,
                "rows": [],
            }
        elif self.form == PARTIAL:
            obj |= {"kind": "PartialObjectMetadata", "apiVersion": META}
        return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

    def _raw(self, record: Record) -> bytes:
        if not self._convert:
            return record.raw
        return orjson.dumps({**record.obj, "apiVersion": self._version})

    def _table(self, records: list[Record], revision: str) -> Object:
        show: Callable[[Object], Any] = {"Object": lambda o: o, "None": lambda o: None}.get(
            self._include, _partial
        )
        return tables.render(self._columns, [record.obj for record in records], show, revision)


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": obj["metadata"]}
