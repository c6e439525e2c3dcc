"""Beat: the one process that turns what happens by itself into jobs.

The leader keeps the schedule and watches lanes, what they own, releases, and the baselines of the chains;
each change that matters becomes a convergence of the lane concerned, or a step of the release. A new leader
begins with a sweep, which makes up for whatever happened while nobody led; a Redis that lost what it held is
followed by one too. Losing leadership stops it; what two leaders put is the same jobs, which the queue holds
once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from provisioner import labels
from provisioner.chain.book import ChainBook
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.copies import rollouts
from provisioner.errors import LanewayError, QueueError
from provisioner.lane import admission
from provisioner.snapshot import POLICY
from workers import metrics, queue
from workers.absences import Absences
from workers.debounce import Debounce
from workers.election import RENEW_SECONDS, Election
from workers.exposition import Pulse
from workers.fleet import Fleet
from workers.mentions import Mentions
from workers.queue import Queue
from workers.releases import Releases
from workers.relevance import (
    OPTIONAL_WORKLOADS,
    WORKLOADS,
    AllLanes,
    Concern,
    Holders,
    OneLane,
    concerned,
    is_owned,
    lasting,
    meshed,
    settled,
)
from workers.schedule import Cron
from workers.watches import Target, Watch

Json = dict[str, Any]

TICK_SECONDS = 0.05
UNSETTLED_SECONDS = 1.0  # how long a Lane's spec may be newer than its status before it is beat's business
NEGLECTED_SECONDS = 60.0
RETELL_SECONDS = 10.0  # how long a lane may take to start once there is room for it
LOOK_SECONDS = 1.0  # how often the schedule and the chain files are looked at

log = structlog.get_logger()


def targets(chains: Mapping[str, Chain]) -> frozenset[Target]:
    """What has to be watched for these chains."""
    namespaces = sorted({namespace for chain in chains.values() for namespace in chain.namespaces})
    return frozenset(
        {
            Target("Lane"),
            Target("Release"),
            *(Target(kind, name) for kind in (*WORKLOADS, "Service", POLICY) for name in namespaces),
            *(Target("Pod", name, labels.LANE) for name in namespaces),
            *(target for chain in chains.values() for target in _optional(chain)),
            *(target for chain in chains.values() for target in _of_mesh(chain)),
        }
    )


def _optional(chain: Chain) -> list[Target]:
    """The kinds of workload that not every cluster knows, where the chain names them."""
    named = {(one.workload.kind, one.namespace) for one in chain.services}
    return [Target(kind, name) for kind, name in sorted(named) if kind in OPTIONAL_WORKLOADS]


def _of_mesh(chain: Chain) -> list[Target]:
    """What has to be watched beside that where a mesh routes a chain: which copies are ready, and the routes,
    of lanes and of users."""
    kinds = meshed(chain)
    ready = [Target("EndpointSlice", name, labels.LANE) for name in chain.namespaces if kinds]
    return [*ready, *(Target(kind, name) for kind in sorted(kinds) for name in chain.namespaces)]


class Leader:
    """What the leader does, from its election to its end. `changed` may be called from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        book: ChainBook,
        jobs: Queue,
        cron: Cron,
        absences: Absences,
        total: int | None = None,
    ) -> None:
        self._cluster, self._book, self._jobs, self._cron = cluster, book, jobs, cron
        self._total = total  # lanes of all chains, at most
        self._lock = threading.Lock()
        self._changed: Debounce[OneLane] = Debounce()
        self._fleet, self._mentions, self._releases = Fleet(), Mentions(), Releases()
        self._lasting: dict[str, str] = {}  # by uid, of the baseline's workloads
        self._retell = _Every(RETELL_SECONDS)
        self._unsettled: dict[OneLane, float] = {}
        self._watches: dict[Target, Watch] = {}
        self._absences, self._noted = absences, set[Target]()
        self._swept: datetime | None = None

    def look(self, now: datetime) -> None:
        """Keeps the schedule, and the watches in step with the chain files. Raises QueueError."""
        self._watch(targets(self._book.chains()))
        self._note_absences()
        self._look_at_fleet()
        emptied = self._jobs.founded()
        if emptied or self._swept is None or self._cron.due(self._swept, now):
            self._jobs.put(queue.sweep())
            self._swept = now
        metrics.show_queue(self._jobs.waiting(), self._jobs.oldest())

    def flush(self) -> None:
        """Puts the jobs that are due. Raises QueueError; what could not be put stays due."""
        self._forget_absences()
        self._note(*self._neglected())
        with self._lock:
            due = self._changed.take(time.monotonic())
        for number, lane in enumerate(due):
            try:
                self._jobs.put(queue.converge(lane.chain, lane.lane))
            except QueueError:
                self._note(*due[number:])
                raise
        self._releases.flush(self._jobs)

    def changed(self, obj: Json, gone: bool) -> None:
        """An object changed, came or went."""
        if obj["kind"] == "Release":
            self._release_changed(obj, gone)
            return
        if obj["kind"] == "Lane":
            self._lane_changed(obj, gone)
            return
        found = concerned(obj, self._book.chains().values())
        with self._lock:
            found = self._mentions.note(obj, found, gone=gone)
            lasts = self._is_lasting(obj, gone=gone)
        for concern in found:
            self._releases.concerned(concern)
            if lasts or not isinstance(concern, Holders):
                self._note(*self._concerned(concern, obj))

    def stop(self) -> None:
        for watch in self._watches.values():
            watch.stop()
        metrics.show_lanes({})
        metrics.show_releases(())
        metrics.show_queue(0, 0)

    def _note_absences(self) -> None:
        for target, watch in self._watches.items():
            if target.kind == POLICY and watch.is_empty():
                self._noted.add(target)
                self._absences.note(target.kind, target.namespace)

    def _forget_absences(self) -> None:
        """Takes back what is no longer so, before a job is put that might read it."""
        gone = {one for one in self._noted if one not in self._watches or not self._watches[one].is_empty()}
        self._absences.forget((one.kind, one.namespace) for one in gone)
        self._noted -= gone

    def _release_changed(self, obj: Json, gone: bool) -> None:
        """In a mesh the routes of all lanes may depend on whether a release takes requests."""
        moved = self._releases.changed(obj, gone)
        chain = self._book.chains().get(obj["spec"]["chain"])
        if moved and chain is not None and meshed(chain):
            with self._lock:
                lanes = self._fleet.of_chain(chain.name)
            self._note(*lanes)

    def _is_lasting(self, obj: Json, *, gone: bool) -> bool:
        """Whether a change of an object is more than the progress of a roll-out. The lock is held."""
        before = self._lasting.pop(obj["metadata"]["uid"], "")
        if gone or is_owned(obj) or obj["kind"] not in (*WORKLOADS, *OPTIONAL_WORKLOADS):
            return True
        self._lasting[obj["metadata"]["uid"]] = now = lasting(obj)
        return now != before

    def _lane_changed(self, obj: Json, gone: bool) -> None:
        """The job that wrote a Lane's spec goes on with it at once; only if nobody does is it looked at."""
        which = OneLane(obj["spec"]["chain"], obj["spec"]["lane"])
        with self._lock:
            self._unsettled.pop(which, None)
            told, before = self._heirs(which), self._fleet.lends(which)
            if gone:
                self._fleet.forget(obj)
            elif self._noted_in_fleet(obj, which):
                told.append(which)
            if self._fleet.lends(which) != before:
                told += self._fleet.descendants(which)
        self._note(*told)
        self._releases.concerned(which)

    def _noted_in_fleet(self, obj: Json, which: OneLane) -> bool:
        """Whether a Lane that came or changed has to be looked at. The lock is held."""
        behind = self._fleet.note(obj)
        if not settled(obj):
            self._unsettled[which] = time.monotonic() + UNSETTLED_SECONDS
        return self._fleet.stirs(which, self._book.chains(), datetime.now(UTC)) or behind

    def _heirs(self, lane: OneLane) -> list[OneLane]:
        """The lanes that may have routes to this one's copies; of a chain that a mesh routes, since discovery
        sees to that by itself."""
        chain = self._book.chains().get(lane.chain)
        return self._fleet.descendants(lane) if chain and meshed(chain) else []

    def _neglected(self) -> list[OneLane]:
        """The lanes whose spec nobody has looked at for a while; each is named again after a longer one."""
        now = time.monotonic()
        with self._lock:
            found = [lane for lane, due in self._unsettled.items() if due <= now]
            self._unsettled.update(dict.fromkeys(found, now + NEGLECTED_SECONDS))
        return found

    def _concerned(self, concern: Concern, obj: Json) -> list[OneLane]:
        with self._lock:
            if isinstance(concern, OneLane):
                here = [concern] if self._fleet.is_open(concern) else []
                return [*here, *self._heirs(concern)]
            if isinstance(concern, AllLanes):
                return self._fleet.of_chain(concern.chain)
            revision = rollouts.revision(obj)
            self._fleet.note_baseline(concern.chain, concern.services, revision)
            return self._fleet.holders(concern.chain, concern.services)

    def _look_at_fleet(self) -> None:
        """Has those lanes looked at for which there is room now, and counts the lanes."""
        rules = {name: admission.rules(chain) for name, chain in self._book.chains().items()}
        with self._lock:
            if self._retell.due():
                self._fleet.retell()
            turns = self._fleet.turns(rules, self._total)
            restless = self._fleet.restless(self._book.chains(), datetime.now(UTC))
            metrics.show_lanes(self._fleet.phases())
        self._note(*turns, *restless)

    def _note(self, *lanes: OneLane) -> None:
        known = self._book.chains()
        with self._lock:
            for lane in lanes:
                if lane.chain in known:
                    self._changed.note(lane, time.monotonic())

    def _watch(self, wanted: frozenset[Target]) -> None:
        for target in self._watches.keys() - wanted:
            self._watches.pop(target).stop()
        for target in wanted - self._watches.keys():
            self._watches[target] = Watch(self._cluster, target, self.changed)
            self._watches[target].start()


def run(election: Election, lead: Callable[[], Leader], stopped: threading.Event, pulse: Pulse) -> None:
    """Campaigns, and leads while elected, until `stopped`."""
    leader: Leader | None = None
    campaign, look = _Every(RENEW_SECONDS), _Every(LOOK_SECONDS)
    while not stopped.wait(TICK_SECONDS):
        pulse.beat()
        if campaign.due():
            _outlast(election.campaign, "beat.campaign")
        if election.leading() and leader is None:
            leader = lead()
            log.info("beat.leading")
        if not election.leading() and leader is not None:
            leader.stop()
            leader = None
            log.warning("beat.deposed")
        metrics.LEADER.set(0 if leader is None else 1)
        if leader is not None:
            _lead(leader, look)
    if leader is not None:
        leader.stop()
        _outlast(election.resign, "beat.resign")


def _lead(leader: Leader, look: _Every) -> None:
    if look.due():
        _outlast(lambda: leader.look(datetime.now(UTC)), "beat.look")
    _outlast(leader.flush, "beat.flush")


def _outlast(call: Callable[[], None], event: str) -> None:
    """Runs a call whose failure, an absent Redis or API server, the next turn makes good."""
    try:
        call()
    except LanewayError as error:
        log.warning(event, reason=error.reason, error=str(error))


class _Every:
    """True at most once in so many seconds, and at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
