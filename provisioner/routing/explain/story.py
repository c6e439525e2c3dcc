"""What is asked of a chain's routing, and what it says. Plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner import labels

Json = dict[str, Any]
Key = tuple[str, str]  # namespace, name

BASELINE = "baseline"
NOBODY = "none"  # nobody may answer, or nobody can: the client gets an error


@dataclass(frozen=True)
class Request:
    """One request to a port of a service of the chain. `host` is empty where it comes from another service;
    else it is what a client from outside names, and the request comes by a gateway where there is one."""

    service: str
    namespace: str
    port: int
    headers: tuple[tuple[str, str], ...] = ()
    host: str = ""
    method: str = "GET"
    path: str = "/"

    def values(self, name: str) -> tuple[str, ...]:
        """Each value that a header has, in order."""
        wanted = name.lower()
        return tuple(value.strip() for key, value in self.headers if key.lower() == wanted)


@dataclass(frozen=True)
class Step:
    """Something that decided: a rule of an object, and what it says."""

    thing: str  # KIND NAMESPACE/NAME; `request` for what the request itself says
    rule: str
    says: str


@dataclass(frozen=True)
class Explanation:
    """`who` is the lane whose copy answers, `baseline`, or `none`; another host's name where a route leads
    out of the cluster. `endpoints` are HOST:PORT, ready now. `said` is what the answer will say of who
    answered, empty for nothing."""

    who: str
    steps: tuple[Step, ...]
    endpoints: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class Live:
    """What the cluster holds of a chain, raw JSON with `kind`, by kind; a kind that it does not serve has
    none."""

    objects: Mapping[str, tuple[Json, ...]] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[Json, ...]:
        return self.objects.get(kind, ())

    def find(self, kind: str, key: Key) -> Json | None:
        return next((one for one in self.of(kind) if key_of(one) == key), None)


def key_of(thing: Json) -> Key:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def called(thing: Json) -> str:
    """How an explanation names an object."""
    namespace, name = key_of(thing)
    return f"{thing['kind']} {namespace}/{name}" if namespace else f"{thing['kind']} {name}"


def behind(live: Live, service: Key, port: int) -> tuple[str, ...]:
    """The ready endpoints of a port of a Service, as HOST:PORT, sorted."""
    there = live.find("Service", service)
    named = [one for one in (there or {}).get("spec", {}).get("ports") or () if one["port"] == port]
    if not named:
        return ()
    return tuple(sorted(_ready(live, service, named[0].get("name") or "")))


def _ready(live: Live, service: Key, port: str) -> Iterable[str]:
    for one in live.of("EndpointSlice"):
        marks = one["metadata"].get("labels") or {}
        if (one["metadata"]["namespace"], marks.get("kubernetes.io/service-name")) != service:
            continue
        numbers = [each["port"] for each in one.get("ports") or () if (each.get("name") or "") == port]
        for endpoint in one.get("endpoints") or ():
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                yield from (f"{endpoint['addresses'][0]}:{number}" for number in numbers)


def arrival(live: Live, service: Key, port: int, steps: Iterable[Step], said: str = "") -> Explanation:
    """Where a route of a mesh has led a request: to a Service."""
    there = live.find("Service", service)
    if there is None:
        missing = Step(f"Service {'/'.join(service)}", "", "does not exist: an error answers")
        return Explanation(NOBODY, (*steps, missing), (), said)
    found = behind(live, service, port)
    who = (there["metadata"].get("labels") or {}).get(labels.LANE) or BASELINE
    if not found:
        nobody = Step(called(there), f"port {port}", "no ready endpoint: 503")
        return Explanation(NOBODY, (*steps, nobody), (), said)
    ready = Step(called(there), f"port {port}", f"ready: {', '.join(found)}")
    return Explanation(who, (*steps, ready), found, said)
