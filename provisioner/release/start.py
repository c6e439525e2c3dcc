"""How a release begins: what is to be released is found out and checked, and nothing is written.

The images are frozen here. A release from a preview lane takes those that the lane has at this moment; the
lane goes on by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from itertools import count

from provisioner import names
from provisioner.chain.model import Chain
from provisioner.chain.strategy import Busy
from provisioner.changes import Cause
from provisioner.errors import InputError
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Phase
from provisioner.release import baseline, entering, refusals, store, workloads
from provisioner.release.found import Found
from provisioner.release.model import Change, Release
from provisioner.release.workloads import MANNERS
from provisioner.routing import drivers, settle
from provisioner.status.inheritance import PARENT
from provisioner.status.readiness import Clock
from provisioner.world import World


def from_lane(chain: Chain, lane_name: str, name: str, world: World) -> Release:
    """The release of what a lane has, not yet written. `name` empty: the next of release-1, release-2 and so
    on. Raises InputError that says what is in the way."""
    lane = lanes.read(world.cluster, chain.name, lane_name)
    if lane is None or lane.release:
        raise _unknown_lane(chain, lane_name, lane, world)
    return _made(chain, _of_lane(chain, lane), name, f"lane {lane_name}", world)


def from_images(
    chain: Chain, images: Mapping[str, str], name: str, world: World, origin: str = "images"
) -> Release:
    """The release of images, by service, not yet written; else as `from_lane`."""
    if not images:
        raise InputError("nothing is named that could be released; give SERVICE=IMAGE")
    for service, image in images.items():
        _refuse(refusals.image(image, service), chain)
    changes = [Change(service, image) for service, image in sorted(images.items())]
    return _made(chain, changes, name, origin, world)


def _made(chain: Chain, changes: Iterable[Change], name: str, origin: str, world: World) -> Release:
    wanted = tuple(changes)
    _refuse(refusals.of_chain(chain, wanted), chain)
    wanted = _new(chain, wanted, baseline.read(chain.services, world.cluster), world)
    _refuse(entering.refusal(chain, wanted, world.cluster), chain)
    _refuse(_second(chain, world), chain)
    made = Release(chain.name, _named(chain, name, world), wanted, strategy=chain.release, origin=origin)
    _refuse(drivers.release_refusal(chain, made.strategy) or settle.trial(chain, made, world), chain)
    return made


def _second(chain: Chain, world: World) -> str:
    """What is in the way of another release of the chain."""
    active = [one for one in store.every(world.cluster, chain.name) if not one.phase.over]
    if not active or chain.release.busy is Busy.QUEUE:
        return ""
    return (
        f"release {active[0].name} is {active[0].phase}, and one release of a chain runs at a time; wait for "
        f"it, end it (laneway release abort {chain.name} {active[0].name}), or set release.whenBusy: queue "
        "in the chain's file"
    )


def _of_lane(chain: Chain, lane: Lane) -> list[Change]:
    """The images of a lane's own copies, which are all ready."""
    told = lane.status.get("services") or ()
    where = f"lane {lane.name}"
    if lane.phase == Phase.SLEEPING:
        raise InputError("it sleeps; send it a request, and start the release when it is Ready", where=where)
    changed = [one for one in told if one["inLane"] and one["reason"] != Cause.EVERY_SERVICE]
    unready = [f"{one['name']} ({one.get('state') or 'unknown'})" for one in changed if not one.get("ready")]
    if unready or lane.phase != Phase.READY:
        waits = ", ".join(unready) or lane.phase or "it has not been looked at yet"
        raise InputError(
            f"it is not ready: {waits}; see: laneway status {chain.name} {lane.name}", where=where
        )
    if not changed:
        raise InputError("none of its services differs from the baseline's", where=where)
    lent = [f"{one['name']} (from {one.get('from')})" for one in told if one.get("route") == PARENT]
    if lent:
        raise InputError(
            f"it builds upon another lane, which answers for it at {', '.join(lent)}; release that one "
            "first, or name all images with --image",
            where=where,
        )
    without = [one["name"] for one in changed if not one.get("image")]
    if without:
        raise InputError(
            f"no image is known of {', '.join(without)}; name it with --image SERVICE=IMAGE", where=where
        )
    return [Change(one["name"], one["image"]) for one in changed]


def _new(
    chain: Chain, changes: tuple[Change, ...], found: Mapping[str, Found], world: World
) -> tuple[Change, ...]:
    """The changes without those that the baseline has already."""
    released = [chain.service(change.service) for change in changes]
    _refuse(refusals.of_baseline(released, found), chain)
    rest = [one for one in chain.services if one not in released and one.workload.kind in MANNERS]
    there = {one.name for one in rest if one.name in found and _serves(found[one.name])}
    _refuse(refusals.of_missing(rest, there), chain)
    clock = Clock(world.now(), timedelta(seconds=world.settings.image_pending_seconds))
    now = {one.name: workloads.read(one, found[one.name], clock).image for one in released}
    left = tuple(change for change in changes if now[change.service] != change.image)
    if not left:
        _refuse("the baseline runs these very images already; there is nothing to release", chain)
    return left


def _serves(found: Found) -> bool:
    return bool((found.workload.get("status") or {}).get("readyReplicas"))


def _named(chain: Chain, name: str, world: World) -> str:
    """The name if it can be one, or the next that nothing has."""
    taken = {one.name for one in store.every(world.cluster, chain.name)}
    lanes_there = {one.name for one in lanes.every(world.cluster, chain.name)}
    if not name:
        numbered = (f"release-{number}" for number in count(1))
        return next(one for one in numbered if one not in taken | lanes_there)
    if names.lane_name(name) != name:
        _refuse(
            f"{name[:80]!r} cannot name a release; a name is a DNS label such as release-7, without two "
            "hyphens in a row and without a hash at its end",
            chain,
        )
    if name in taken:
        _refuse(f"there is a release {name} already; choose another name", chain)
    if name in lanes_there:
        _refuse(f"there is a lane {name}, and a release has a lane of its name; choose another name", chain)
    return name


def _unknown_lane(chain: Chain, name: str, lane: Lane | None, world: World) -> InputError:
    if lane is not None:
        return InputError(f"lane {name} is that of release {lane.release}; name a preview lane")
    known = sorted(one.name for one in lanes.every(world.cluster, chain.name) if not one.release)
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"it has: {', '.join(known[:10]) or 'none'}"
    return InputError(f"chain {chain.name} has no lane {name[:80]!r}; {hint}")


def _refuse(why: str, chain: Chain) -> None:
    """InputError where there is a reason."""
    if why:
        raise InputError(why, where=f"chain {chain.name}")
