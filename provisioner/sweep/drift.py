"""Whether a lane has to converge: told from the Lane alone, and from its objects one at a time. Pure.

One object at a time, so that no cluster's lanes have to be in memory at once: of each lane only an `Account`
is kept. Whoever is not sure says that it has to converge, which costs little and is never wrong.

The base branch is not looked at. What it gets does not change a branch's merge base, unless it gets the
branch itself, and then the pull request is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.changes import Cause, Verdict
from provisioner.copies import live, plan
from provisioner.copies.plan import Identity, Snapshot, Wanted
from provisioner.lane import sleeping
from provisioner.lane.model import Lane, Phase
from provisioner.routing import drivers
from provisioner.status import readiness
from provisioner.sweep import retention
from provisioner.sweep.retention import Facts, Why

Json = dict[str, Any]


@dataclass(slots=True)
class Account:
    """What is kept of a lane while its objects go by. `images` is what it should run, by service; `missing`
    counts the objects that it should own and that did not come by yet."""

    lane: Lane
    images: Mapping[str, str]
    missing: int = 0
    replicas: int = 1  # of each workload


def account(lane: Lane) -> Account:
    """The account of a lane whose status is up to date."""
    images = {
        one["name"]: one["image"]
        for one in lane.status.get("services") or ()
        if one["inLane"] and one.get("image")
    }
    replicas = 0 if lane.phase == Phase.SLEEPING else 1
    return Account(replace(lane, status={}, members=(), approved=()), images, replicas=replicas)


def unsettled(lane: Lane, chain: Chain, facts: Facts, now: datetime) -> tuple[Why, str] | None:
    """Why the lane has to converge, as far as it shows itself; None where only its objects can tell."""
    told = lane.status
    if lane.release:
        return Why.RELEASED, f"it is the lane of release {lane.release}"
    if not told.get("heads"):
        return Why.NO_STATUS, "it has not converged yet, or its status was lost"
    if told.get("observedGeneration") != lane.generation:
        return Why.SPEC_CHANGED, "its spec changed since it converged"
    if told.get("chainRevision") != chain.revision:
        return Why.CHAIN_CHANGED, f"the file of chain {chain.name} changed since it converged"
    if moved := retention.pushed(lane, facts):
        return Why.HEAD_MOVED, moved
    if sleeping.is_due(lane, chain, now):
        return (
            Why.REST_DUE,
            "it sleeps, and is wanted awake" if lane.phase == Phase.SLEEPING else "it is idle",
        )
    if lane.phase not in (Phase.READY, Phase.SLEEPING):
        return Why.NOT_READY, f"it is {lane.phase or 'without a phase'}"
    if failed := _failed(told):
        return Why.NOT_READY, f"its last run ended with {failed}"
    if drivers.mesh(chain.driver) is not None:
        return Why.MESHED, f"it is routed by {chain.driver}, whose objects no sweep reads"
    return None


def _failed(status: Json) -> str:
    """Why the last run could not read what it needed; empty where it could. A lane keeps its phase then."""
    said = (one for one in status.get("conditions") or () if one["type"] == "Resolved")
    return next((one["reason"] for one in said if one["status"] == "False"), "")


class Derived:
    """The copies that lanes should own, derived from one chain's baseline of now. It remembers the last few:
    a Service and its workload are asked for one soon after the other."""

    def __init__(self, chain: Chain, baseline: Snapshot, remember: int = 1024) -> None:
        self._chain, self._baseline, self._most = chain, baseline, remember
        self._services = {service.name: service for service in chain.services}
        self._known: dict[tuple[str, str], Mapping[Identity, Json] | None] = {}

    def count(self, found: Account) -> int | None:
        """How many objects the lane should own; None where a copy cannot be derived."""
        copies = [self.copy(found, name) for name in found.images]
        return None if None in copies else sum(len(one) for one in copies if one is not None)

    def copy(self, found: Account, name: str) -> Mapping[Identity, Json] | None:
        """The objects of one service's copy in a lane; None where it cannot be derived."""
        key = (found.lane.name, name)
        if key not in self._known:
            if len(self._known) >= self._most:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._derive(found, name, ())
        return self._known[key]

    def for_thing(self, thing: Json, found: Account) -> Mapping[Identity, Json] | None:
        """The copy that an object belongs to; empty when the lane should have none. Where copies do not
        follow the baseline, the object itself says what it was derived from."""
        name = live.service_of(thing)
        if name not in found.images:
            return {}
        if self._chain.lifecycle.follow:
            return self.copy(found, name)
        return self._derive(found, name, (thing,))

    def _derive(self, found: Account, name: str, owned: tuple[Json, ...]) -> Mapping[Identity, Json] | None:
        if name not in self._services:
            return None
        verdict = Verdict(name, True, Cause.CHANGED, "", "")
        wanted = Wanted(self._services[name], found.images[name], verdict)
        made = plan.make(
            self._chain, found.lane, [wanted], replace(self._baseline, owned=owned), found.replicas
        )
        return None if made.problems else {plan.identity(one): one for one in made.desired}


def differs(thing: Json, found: Account, derived: Derived) -> str:
    """What is wrong with one object of a lane; empty when it is as it should be."""
    where = f"{thing['kind']} {thing['metadata']['name']}"
    copy = derived.for_thing(thing, found)
    if copy is None:
        return f"{where} cannot be derived from the baseline of now"
    one = copy.get(plan.identity(thing))
    if one is None:
        return f"{where} is none that the lane should own"
    if live.is_left_over(thing, found.lane.uid) or live.is_fixed_otherwise(thing, one):
        return f"{where} has to be made again"
    if not live.is_as_wanted(thing, one):
        return f"{where} is not as its baseline and its branch want it"
    return "" if readiness.is_ready(thing) else f"{where} is not ready"


def is_lost(thing: Json) -> bool:
    """Whether an object that says it is of a lane that does not exist is Laneway's own to remove."""
    marks = thing["metadata"].get("labels") or {}
    return marks.get(labels.MANAGED_BY) == labels.MANAGED_BY_LANEWAY


def is_controlled(thing: Json) -> bool:
    """Whether something other than a Lane looks after it, as a ReplicaSet after its pods."""
    return live.is_foreign(thing)
