"""The columns that `kubectl get` shows, as a real API server prints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Cells = Callable[[Object], list[Any]]


@dataclass(frozen=True)
class Column:
    """`priority` above 0 is shown only with `-o wide`."""

    name: str
    kind: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> Object:
        return {
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class Columns:
    """The columns of one kind, and the cells of one object in their order."""

    head: tuple[Column, ...]
    cells: Cells


def render(columns: Columns, objects: list[Object], show: Callable[[Object], Any], revision: str) -> Object:
    """A `meta.k8s.io/v1 Table` of the objects; `show` is what each row carries of its object."""
    rows = [{"cells": columns.cells(obj), "object": show(obj)} for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": [column.definition() for column in columns.head],
        "rows": rows,
    }


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="CreationTimestamp is the time when this object was created.")


def columns(resource: str) -> Columns:
    """The columns of a built-in resource; name and age for those that have no own."""
    from devcluster import printers  # the printers use the columns above

    return printers.COLUMNS.get(resource, _PLAIN)


def age(obj: Object) -> str:
    return since(obj["metadata"].get("creationTimestamp"))


def since(stamp: str | None) -> str:
    """The time since an API timestamp in kubectl's words (`2m3s`); `<unknown>` for none."""
    if not stamp:
        return "<unknown>"
    try:
        then = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return "<invalid>"
    return duration(int((datetime.now(UTC) - then).total_seconds()))


def duration(seconds: int) -> str:
    """Seconds in kubectl's words: two units at most, the smaller left out once it says little."""
    if seconds < 0:
        return "0s" if seconds >= -1 else "<invalid>"
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


_PLAIN = Columns((NAME, AGE), lambda obj: [obj["metadata"]["name"], age(obj)])
