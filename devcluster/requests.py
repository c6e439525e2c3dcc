"""What an HTTP request asks for: its path, verb, body and options, read into plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from devcluster import errors

PATCHES = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
JSON, YAML = "application/json", "application/yaml"


@dataclass(frozen=True)
class Call:
    """One request to a resource. `verb` is Kubernetes' own word: get, list, watch, create, update, patch,
    delete, deletecollection.
    """

    verb: str
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def flag(self, name: str) -> bool:
        """A boolean of the query; ApiError 400 when it is none."""
        text = self.query.get(name, "").lower()
        if text in ("true", "1", "t"):
            return True
        if text in ("", "false", "0", "f"):
            return False
        raise errors.bad_request(
            f'strconv.ParseBool: parsing "{text}": invalid syntax (query parameter {name})'
        )

    def number(self, name: str, default: int = 0) -> int:
        """A whole number of the query; ApiError 400 when it is none."""
        text = self.query.get(name) or str(default)
        if not text.removeprefix("-").isdigit():
            raise errors.bad_request(
                f'strconv.ParseInt: parsing "{text}": invalid syntax (query parameter {name})'
            )
        return int(text)


def read(method: str, path: str, query: Mapping[str, str]) -> Call | None:
    """The call that a request makes on a resource, or None when its path leads to none."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    watching = query.get("watch", "").lower() in ("true", "1", "t")
    if rest[0] == "watch" and len(rest) > 1:  # the old form, /api/v1/watch/...
        watching, rest = True, rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    return Call(_verb(method, name, watching), group, version, plural, namespace, name, subresource, query)


def _verb(method: str, name: str, watching: bool) -> str:
    match method:
        case "GET" | "HEAD":
            return "watch" if watching else "get" if name else "list"
        case "POST":
            return "create"
        case "PUT":
            return "update"
        case "PATCH":
            return "patch"
        case "DELETE":
            return "delete" if name else "deletecollection"
    raise errors.method_not_allowed()


def media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def patch_kind(header: str) -> str:
    """ "json", "merge", "strategic" or "apply", of a Content-Type; ApiError 415 for any other."""
    kind = PATCHES.get(media_type(header))
    if kind is None:
        raise errors.unsupported_media(list(PATCHES))
    return kind


def body(raw: bytes, content_type: str) -> Any:
    """The body as data. Nothing at all is an empty object. ApiError 415 for protobuf and the like, 400 when
    malformed.
    """
    media = media_type(content_type) or JSON
    if not raw:
        return {}
    if media in (YAML, "application/apply-patch+yaml"):
        return _yaml(raw)
    if media == JSON or media in PATCHES:
        return _json(raw)
    raise errors.unsupported_media([JSON, YAML])


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _yaml(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        import yaml  # slow to import, and clients nearly always send JSON under the YAML type

    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from error


def document(raw: bytes, content_type: str) -> dict[str, Any]:
    """The body as an object; ApiError 400 when it is something else."""
    found = body(raw, content_type)
    if not isinstance(found, dict):
        raise errors.bad_request("the body of the request is not an object")
    return found


def duplicate_fields(raw: bytes) -> list[str]:
    """What a server says of each field that a JSON body gives twice in one object, in order of appearance."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen and key not in found:
                found.append(key)
            seen.add(key)
        return dict(pairs)

    try:
        json.loads(raw, object_pairs_hook=collect)
    except ValueError:
        return _duplicate_keys(raw)
    return [f'duplicate field "{name}"' for name in found]


def _duplicate_keys(raw: bytes) -> list[str]:
    import yaml  # as above

    found: list[str] = []
    waiting: list[Any] = [yaml.compose(raw, Loader=yaml.SafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value]
            for number, key in enumerate(keys):
                if key.value in [one.value for one in keys[:number]]:
                    found.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
            waiting += [value for _, value in node.value]
    return found
