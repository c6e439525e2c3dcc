"""Whether a lane has to converge: told from the Lane alone, and from its objects one at a time. Pure.

One object at a time, so that no cluster's lanes have to be in memory at once: of each lane only an `Account`
is kept. Whoever is not sure says that it has to converge, which costs little and is never wrong.

The base branch is not looked at. What it gets does not change a branch's merge base, unless it gets the
branch itself, and then the pull request is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner import labels, live, plan, readiness, retention
from provisioner.chain import Chain
from provisioner.changes import Cause, Verdict
from provisioner.lane import Lane, Phase
from provisioner.plan import Snapshot, Wanted
from provisioner.retention import Facts, Why

Json = dict[str, Any]


@dataclass(slots=True)
class Account:
    """What is kept of a lane while its objects go by. `images` is what it should run, by service; `missing`
    counts the objects that it should own and that did not come by yet."""

    lane: Lane
    images: Mapping[str, str]
    missing: int = 0


def account(lane: Lane) -> Account:
    """The account of a lane whose status is up to date."""
    images = {
        one["name"]: one["image"]
        for one in lane.status.get("services") or ()
        if one["inLane"] and one.get("image")
    }
    return Account(replace(lane, status={}, members=(), approved=()), images)


def unsettled(lane: Lane, chain: Chain, facts: Facts) -> tuple[Why, str] | None:
    """Why the lane has to converge, as far as it shows itself; None where only its objects can tell."""
    told = lane.status
    if not told.get("heads"):
        return Why.NO_STATUS, "it has not converged yet, or its status was lost"
    if told.get("observedGeneration") != lane.generation:
        return Why.SPEC_CHANGED, "its spec changed since it converged"
    if told.get("chainRevision") != chain.revision:
        return Why.CHAIN_CHANGED, f"the file of chain {chain.name} changed since it converged"
    if moved := retention.pushed(lane, facts):
        return Why.HEAD_MOVED, moved
    if lane.phase != Phase.READY:
        return Why.NOT_READY, f"it is {lane.phase or 'without a phase'}"
    return None


def objects_of(chain: Chain, found: Account, baseline: Snapshot) -> int | None:
    """How many objects the lane should own; None where a copy cannot be derived from the baseline of now."""
    if any(name not in {one.name for one in chain.services} for name in found.images):
        return None
    wanted = [_wanted(chain, name, image) for name, image in found.images.items()]
    made = plan.make(chain, found.lane, wanted, baseline)
    return None if made.problems else len(made.desired)


def differs(thing: Json, chain: Chain, found: Account, baseline: Snapshot) -> str:
    """What is wrong with one object of a lane; empty when it is as it should be. `baseline` owns nothing."""
    where = f"{thing['kind']} {thing['metadata']['name']}"
    name = live.service_of(thing)
    if name not in found.images:
        return f"{where} is of a service that is not in the lane"
    wanted = [_wanted(chain, name, found.images[name])]
    made = plan.make(chain, found.lane, wanted, replace(baseline, owned=(thing,)))
    if made.problems or made.removals:
        return f"{where} has to be made again"
    if any(plan.identity(write.body) == plan.identity(thing) for write in made.writes):
        return f"{where} is not as its baseline and its branch want it"
    return "" if readiness.is_ready(thing) else f"{where} is not ready"


def is_lost(thing: Json) -> bool:
    """Whether an object that says it is of a lane that does not exist is Laneway's own to remove."""
    marks = thing["metadata"].get("labels") or {}
    return marks.get(labels.MANAGED_BY) == labels.MANAGED_BY_LANEWAY


def is_controlled(thing: Json) -> bool:
    """Whether something other than a Lane looks after it, as a ReplicaSet after its pods."""
    return live.is_foreign(thing)


def _wanted(chain: Chain, name: str, image: str) -> Wanted:
    return Wanted(chain.service(name), image, Verdict(name, True, Cause.CHANGED, "", ""))
