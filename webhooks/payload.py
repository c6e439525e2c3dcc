"""Reading a payload whose shape nobody vouches for: each value by its path, or an error that names it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from webhooks.errors import ShapeError, UnreadableError

_TYPES = {str: "a string", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


class Payload:
    """A JSON object. Paths are dotted: `pull_request.head.sha`."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def text(self, path: str, default: str | None = None) -> str:
        """The string there. With a default, also where it, or any object above it, is absent or null."""
        value: str = self._typed(path, str, default)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ShapeError(f"{path} holds half of a surrogate pair, which is no text") from error
        if "\0" in value:
            raise ShapeError(f"{path} holds a NUL character")
        return value

    def number(self, path: str) -> int:
        return int(self._typed(path, int, None))

    def flag(self, path: str, *, default: bool | None = None) -> bool:
        return bool(self._typed(path, bool, default))

    def time(self, path: str) -> datetime:
        """An RFC 3339 time, in UTC."""
        value = self.text(path)
        try:
            found = datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ShapeError(f"{path} is not a time such as 2026-01-02T03:04:05Z") from error

    def names(self, path: str) -> tuple[str, ...]:
        """The `name` of each object in the list there; empty where there is no list."""
        found = []
        for entry in self._typed(path, list, []):
            if not isinstance(entry, dict):
                raise ShapeError(f"{path} is not a list of objects")
            found.append(Payload(entry).text("name"))
        return tuple(found)

    def has(self, path: str) -> bool:
        """Whether there is anything but null."""
        return self._find(path) is not None

    def _find(self, path: str) -> Any:
        value: Any = self._data
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def _typed(self, path: str, kind: type, default: Any) -> Any:
        value = self._find(path)
        if value is None and default is not None:
            return default
        if value is None:
            raise ShapeError(f"{path} is missing; is this a delivery of the forge that the address names?")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ShapeError(f"{path} is not {_TYPES[kind]}")
        return value


def decode(body: bytes) -> Payload:
    """The JSON object in a body; UnreadableError for no JSON, ShapeError for JSON that is no object."""
    try:
        data = json.loads(body)
    except RecursionError as error:
        raise UnreadableError("the body is nested too deeply") from error
    except ValueError as error:  # also UnicodeDecodeError
        raise UnreadableError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ShapeError("the body is JSON, but not an object")
    return Payload(data)
