"""Looks at all lanes, and at all that they own, once; says what the sweep has to do. Writes nothing.

In this order, whatever happens meanwhile being safe:

1. the tombstones, every repository's branches, and the pull requests that are open where a forge can be asked
2. the lanes, page by page; each is judged alone
3. the branches of the repositories that miss one, again, and each pull request that was not listed, by
   itself: a lane that was opened between 1 and 2 has its branch by now, and an answer that was wrong once is
   asked for twice
4. the objects with a lane's label, page by page, each held against its lane and the baseline; one whose lane
   was not among those of 2 counts as lost only when the cluster still has no such Lane
5. where lanes share routes, the objects that they share, for what those say of lanes that are gone
6. the releases

Kept in memory are a page of each kind, the baselines, what was found, and a short account of each lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from provisioner import labels, snapshot
from provisioner.chain.model import Chain
from provisioner.copies import live
from provisioner.copies.plan import APPLY_ORDER, Removal, identity
from provisioner.errors import LanewayError
from provisioner.events import ForgeEvent
from provisioner.lane import decision, membership
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane, Member, object_name
from provisioner.sweep import drift, released, remnants, retention, rows
from provisioner.sweep.drift import Account, Derived
from provisioner.sweep.inquiry import Inquiry
from provisioner.sweep.released import Releases
from provisioner.sweep.retention import Action, Finding, Limits, Why
from provisioner.sweep.rows import Stale
from provisioner.world import World

Json = dict[str, Any]

# what Laneway writes, and what stays of it when somebody deletes a workload without its dependents
KINDS = (*APPLY_ORDER, "ReplicaSet", "Pod")


@dataclass(frozen=True)
class Survey:
    """What has to be done. `findings` has a line for everything else here, and for what is kept; `old` are
    the facts in each chain's ledger that are too old to matter."""

    lanes: int
    brake: str
    findings: tuple[Finding, ...]
    stale: tuple[Stale, ...] = ()
    lost: tuple[Removal, ...] = ()
    unlabelled: tuple[Lane, ...] = ()
    releases: Releases = field(default_factory=Releases)
    missing: tuple[tuple[str, ForgeEvent], ...] = ()  # chain, and a pull request that should hold a lane
    converge: tuple[tuple[str, str], ...] = ()  # chain, lane
    old: Mapping[str, int] = field(default_factory=dict)


def take(
    chains: Iterable[Chain], world: World, *, confirm: bool = False, alive: Callable[[], None] | None = None
) -> Survey:
    """The survey of all lanes. `confirm` releases the brake; `alive` is called along the way.

    Raises ClusterError; a repository that does not answer ends nobody's lane and is a finding.
    """
    return _Surveyor(chains, world, alive or (lambda: None)).take(confirm)


class _Surveyor:
    def __init__(self, chains: Iterable[Chain], world: World, alive: Callable[[], None]) -> None:
        self._chains = {chain.name: chain for chain in chains}
        self._world, self._alive = world, alive
        self._now = world.now()
        self._known: dict[str, Account | None] = {}  # None: its objects are of no interest
        self._held: dict[tuple[str, str], str] = {}  # chain and key of every member: its base branch
        self._suspects: list[Lane] = []
        self._unlabelled: list[Lane] = []
        self._released: list[Lane] = []
        self._needs: dict[tuple[str, str], Finding] = {}
        self._kept: list[Finding] = []
        self._inquiry = Inquiry(self._chains, world, self._alive)

    def take(self, confirm: bool) -> Survey:
        for found in self._world.cluster.pages("Lane"):
            self._alive()
            self._look(found)
        stale = self._judge()
        brake = "" if confirm else self._brake(stale)
        missing = list(self._missing())
        lost = self._objects()
        for remnant in remnants.found(self._chains.values(), self._known, self._world.cluster):
            self._need(remnant.lane, Why.ORPHAN, remnant.message)
        told = [*rows.lines(stale, closing=False), *(rows.lost(*one) for one in lost)]
        if brake:
            told = [retention.held(one) for one in told]
            stale, lost = [one for one in stale if retention.is_closing(one.lane)], []
        told += rows.lines(stale, closing=True)
        releases = released.found(self._chains, self._released, self._world.cluster)
        repairs = [rows.unlabelled(lane) for lane in self._unlabelled]
        repairs += [rows.orphaned(lane) for lane in releases.orphaned]
        repairs += [rows.outdated(one) for one in releases.old]
        return Survey(
            lanes=len(self._known),
            brake=brake,
            findings=(
                *told,
                *(self._row_of_missing(*one) for one in missing),
                *repairs,
                *self._needs.values(),
                *self._kept,
                *self._inquiry.unreachable,
            ),
            stale=tuple(stale),
            lost=tuple(removal for removal, _, _ in lost),
            unlabelled=tuple(self._unlabelled),
            releases=releases,
            missing=tuple(missing),
            converge=tuple(self._needs),
            old={} if brake else self._inquiry.old,
        )

    # --- lanes --------------------------------------------------------------------------------------------

    def _look(self, found: Json) -> None:
        name = found["metadata"]["name"]
        self._known[name] = None
        try:
            lane = Lane.from_object(found)
        except (LanewayError, KeyError, TypeError, ValueError) as error:
            self._keep(Why.UNREADABLE, "", name, f"{type(error).__name__}: {error}; mend or delete it")
            return
        chain = self._chains.get(lane.chain)
        if lane.object_name != name:
            self._keep(Why.UNREADABLE, "", name, f"its spec is that of {lane.object_name}; delete it")
        elif live.is_going(found) and chain is not None and lane.held:
            self._need(lane, Why.BEING_DELETED, "it is being deleted, and its routes have to go first")
        elif live.is_going(found):
            self._keep(Why.BEING_DELETED, lane.chain, lane.name, _finalizers(found))
        elif chain is None:
            message = f"no chain file describes chain {lane.chain}; bring the file back, or delete the Lane"
            self._keep(Why.UNKNOWN_CHAIN, lane.chain, lane.name, message)
        else:
            self._held.update(_bases(lane.chain, lane.members))
            self._note_labels(lane, found)
            self._look_closer(lane, chain)

    def _look_closer(self, lane: Lane, chain: Chain) -> None:
        facts = self._inquiry.facts[chain.name]
        if lane.release:
            self._released.append(replace(lane, status={}))
        if out := membership.taken_out(lane, chain, facts.tombstones):
            self._held.update(_bases(lane.chain, out))
            keys = ", ".join(member.key for member in out)
            self._need(lane, Why.MEMBERS_LOST, f"{keys} was taken out of its spec by hand")
        elif not lane.wanted or retention.ended(lane, chain, facts, self._now):
            self._suspects.append(replace(lane, status=_essence(lane.status)))
        elif need := drift.unsettled(lane, chain, facts, self._now):
            self._need(lane, *need)
        else:
            self._known[lane.object_name] = drift.account(lane)

    def _note_labels(self, lane: Lane, found: Json) -> None:
        marks = found["metadata"].get("labels") or {}
        if any(marks.get(key) != value for key, value in labels.of_lane(lane.chain, lane.name).items()):
            self._unlabelled.append(replace(lane, status={}))

    def _judge(self) -> list[Stale]:
        """The suspects once more, by what their repositories say now."""
        self._inquiry.again(self._suspects)
        stale = []
        for lane in self._suspects:
            facts = self._inquiry.facts[lane.chain]
            endings = retention.ended(lane, self._chains[lane.chain], facts, self._now)
            if endings or not lane.wanted:
                stale.append(Stale(lane, endings))
            else:
                self._need(lane, Why.HEAD_MOVED, "its branch was missing a moment ago")
        return stale

    def _missing(self) -> Iterator[tuple[str, ForgeEvent]]:
        """Pull requests that a forge lists as open, that no lane holds, or not with their base branch of now,
        that no tombstone ends, and that did not expire at the commit at which they are."""
        for name, listed in self._inquiry.listed.items():
            chain, tombstones = self._chains[name], self._inquiry.facts[name].tombstones
            for event in listed:
                key = decision.member_key(event)
                known = self._held.get((name, key)) in (event.base, "")
                if known or retention.expired_key(key, event.sha) in tombstones:
                    continue
                lane = lanes.read(self._world.cluster, name, decision.lane_of(event, chain))
                if decision.fold(lane, event, chain, tombstones).lane is not None:
                    yield name, event

    def _row_of_missing(self, chain: str, event: ForgeEvent) -> Finding:
        base = self._held.get((chain, decision.member_key(event)), "")
        return rows.retargeted(chain, event, base) if base else rows.missing(chain, event)

    def _brake(self, stale: Iterable[Stale]) -> str:
        settings = self._world.settings
        limits = Limits(settings.sweep_brake_percent, settings.sweep_brake_least)
        return retention.brake(rows.lines(stale, closing=False), len(self._known), limits)

    # --- objects ------------------------------------------------------------------------------------------

    def _objects(self) -> list[tuple[Removal, str, str]]:
        """What lost its lane; lanes whose objects are not as they should be are noted on the way."""
        derived = {name: self._derived(chain) for name, chain in self._chains.items()}
        self._expect(derived)
        lost = [one for thing in self._things() if (one := self._hold(thing, derived))]
        for found in self._accounts():
            if found.missing > 0:
                self._need(found.lane, Why.DRIFTED, f"{found.missing} of its objects are missing")
        return lost

    def _derived(self, chain: Chain) -> Derived:
        self._alive()
        baseline = snapshot.read(chain, Lane(chain.name, ""), self._world.cluster, owns_nothing=True)
        return Derived(chain, baseline)

    def _expect(self, derived: Mapping[str, Derived]) -> None:
        """Counts what every lane should own; lanes of the same services own as much."""
        counted: dict[tuple[str, frozenset[str]], int | None] = {}
        for found in self._accounts():
            key = (found.lane.chain, frozenset(found.images))
            if key not in counted:
                counted[key] = derived[found.lane.chain].count(found)
            wanted = counted[key]
            if wanted is None:
                self._need(found.lane, Why.DRIFTED, "a copy cannot be derived from the baseline of now")
            else:
                found.missing = wanted

    def _accounts(self) -> Iterator[Account]:
        for found in list(self._known.values()):
            if found is not None and (found.lane.chain, found.lane.name) not in self._needs:
                yield found

    def _things(self) -> Iterator[Json]:
        """Every object with a lane's label. The kinds take turns, so that a copy's objects, whose names are
        alike, come by together."""
        namespaces = sorted({name for chain in self._chains.values() for name in chain.namespaces})
        for namespace in namespaces:
            pages = [self._world.cluster.pages(kind, namespace, labels.LANE) for kind in KINDS]
            for turn in zip_longest(*pages):
                self._alive()
                yield from (thing for thing in turn if thing is not None)

    def _hold(self, thing: Json, derived: Mapping[str, Derived]) -> tuple[Removal, str, str] | None:
        """Holds an object against its lane; the removal of one that lost its lane."""
        if live.is_going(thing) or drift.is_controlled(thing):
            return None
        marks = thing["metadata"]["labels"]
        chain, lane = marks.get(labels.CHAIN, ""), marks[labels.LANE]
        name = object_name(chain, lane)
        if name not in self._known:
            return self._lose(thing, chain, lane)
        found = self._known[name]
        if found is None or thing["kind"] not in APPLY_ORDER or (chain, lane) in self._needs:
            return None
        found.missing -= 1
        if wrong := drift.differs(thing, found, derived[chain]):
            self._need(found.lane, Why.DRIFTED, wrong)
        return None

    def _lose(self, thing: Json, chain: str, lane: str) -> tuple[Removal, str, str] | None:
        where = rows.where(*identity(thing))
        if not drift.is_lost(thing):
            message = f"has a label {labels.LANE} and is not Laneway's; take the label away"
            self._kept.append(Finding(Action.KEEP, Why.FOREIGN, chain, lane, where, message))
            return None
        if chain and self._world.cluster.get("Lane", object_name(chain, lane)) is not None:
            return None
        metadata = thing["metadata"]
        removal = Removal(*identity(thing), metadata["uid"], metadata["resourceVersion"])
        return removal, chain, lane

    # --- notes --------------------------------------------------------------------------------------------

    def _keep(self, why: Why, chain: str, lane: str, message: str) -> None:
        subject = "" if chain else lane
        self._kept.append(Finding(Action.KEEP, why, chain, lane if chain else "", subject, message))

    def _need(self, lane: Lane, why: Why, message: str) -> None:
        self._needs.setdefault(
            (lane.chain, lane.name), Finding(Action.CONVERGE, why, lane.chain, lane.name, "", message)
        )


def _essence(status: Json) -> Json:
    """What of a status is needed to judge the lane once more."""
    return {key: status[key] for key in ("phase", "activeAt", "heads") if key in status}


def _finalizers(found: Json) -> str:
    names = ", ".join(found["metadata"].get("finalizers") or ())
    return f"it is being deleted{f'; its end waits for {names}' if names else ''}"


def _bases(chain: str, members: Iterable[Member]) -> dict[tuple[str, str], str]:
    """The base branch of each member, by chain and key; empty where it is not known."""
    return {(chain, member.key): member.base for member in members}
