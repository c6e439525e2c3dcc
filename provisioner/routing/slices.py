"""EndpointSlices in our terms. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels

Json = dict[str, Any]


@dataclass(frozen=True)
class Slice:
    """An EndpointSlice in our terms. `lane` is empty for the baseline; `ready` and `leaving` (terminating,
    still serving) are addresses, `ports` maps port names to numbers."""

    key: tuple[str, str]  # namespace, name
    chain: str
    service: str
    lane: str
    ready: tuple[str, ...]
    leaving: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]


def read_slice(obj: Json) -> Slice | None:
    """An EndpointSlice object as a `Slice`; None when it is not part of any chain."""
    metadata = obj["metadata"]
    marks: Mapping[str, str] = metadata.get("labels") or {}
    if not marks.get(labels.CHAIN) or not marks.get(labels.SERVICE):
        return None
    endpoints = obj.get("endpoints") or ()
    return Slice(
        key=(metadata["namespace"], metadata["name"]),
        chain=marks[labels.CHAIN],
        service=marks[labels.SERVICE],
        lane=marks.get(labels.LANE, ""),
        ready=_addresses(one for one in endpoints if _condition(one, "ready")),
        leaving=_addresses(one for one in endpoints if _leaving(one)),
        ports=tuple(
            (one.get("name") or "", int(one["port"])) for one in obj.get("ports") or () if one.get("port")
        ),
    )


def _condition(endpoint: Json, name: str) -> bool:
    """A condition that is not said counts as true, as the API's documentation asks for."""
    said = (endpoint.get("conditions") or {}).get(name)
    return True if said is None else bool(said)


def _leaving(endpoint: Json) -> bool:
    conditions = endpoint.get("conditions") or {}
    return bool(conditions.get("terminating")) and bool(conditions.get("serving"))


def _addresses(endpoints: Iterable[Json]) -> tuple[str, ...]:
    return tuple(endpoint["addresses"][0] for endpoint in endpoints if endpoint.get("addresses"))
