"""The story of a lane: it converges on what is true now.

`converge` reads what is true now (the branch, the baseline, what the lane owns), plans, applies and writes
the status; running it twice, late, or after a crash at any point ends in the same state. It never waits.

What fences a stale worker: every write of what it saw is conditional on the resourceVersion that its
snapshot had (deletions on the uid too), and the status is written last, conditional on the Lane that the run
began with. Whoever overslept gets a conflict, reads again and converges on today's truth. That also puts
right what it wrote over an object made after its snapshot, the one write that has no condition
(docs/consistency.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from provisioner import changes, snapshot
from provisioner.chain.model import Chain, Service
from provisioner.changes import Source, Verdict
from provisioner.copies import carrying, plan
from provisioner.copies.plan import Plan, Snapshot, Wanted
from provisioner.errors import ConflictError, LanewayError, PermanentError, TemporaryError
from provisioner.lane import bedtime, decision, entrance, family, membership
from provisioner.lane import store as lanes
from provisioner.lane.admission import Wait
from provisioner.lane.family import Family
from provisioner.lane.model import Lane, Phase, object_name
from provisioner.lane.sleeping import AWAKE, Sleep
from provisioner.routing import settle
from provisioner.routing.lane_routes import LaneRoutes
from provisioner.status import announce, inheritance
from provisioner.status import compute as status
from provisioner.world import World

Json = dict[str, Any]

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `phase` is empty when the lane is gone; `again` says after how many seconds looking
    again is useful even if nothing happens; `steps` are durations in seconds."""

    lane: str
    phase: str
    again: float | None = None
    steps: dict[str, float] = field(default_factory=dict)


def converge(chain: Chain, name: str, world: World, written: Lane | None = None) -> Outcome:
    """Makes one lane what it should be. `written` is the Lane that the caller has just written, which spares
    reading it. Raises TemporaryError when it must be tried again; what only a person can change is said in
    the lane's status instead."""
    fresh = [written] if written is not None else []
    return lanes.on_conflict(lambda: _converge(chain, name, world, fresh.pop() if fresh else None))


def _converge(chain: Chain, name: str, world: World, written: Lane | None) -> Outcome:
    lane = written or lanes.read(world.cluster, chain.name, name)
    if lane is None:
        settle.forget(chain, name, world)
        return Outcome(object_name(chain.name, name), "")
    lane = lane if lane.labelled else lanes.label(world.cluster, lane)
    if lane.going:
        return _close(chain, lane, world)
    just_ended = written is not None and not written.wanted
    lane = membership.agreed(lane, chain, world, just_ended=just_ended)
    if not lane.wanted:
        return _close(chain, lane, world)
    return _Run(chain, lane, world, owns_nothing=written is not None and written.is_new).converge()


def _close(chain: Chain, lane: Lane, world: World) -> Outcome:
    """Takes the routes away first (the router leaves a Terminating lane out, from a mesh they are withdrawn);
    once drained, the Lane goes, and the cluster collects what it owns. So it is with a Lane that somebody has
    deleted, as long as its finalizer holds it."""
    if lane.phase != Phase.TERMINATING:
        _withdraw(chain, lane, world)
        found = status.terminating(lane, world.now())
        lanes.write_status(world.cluster, lane, found)
        announce.news(world.cluster, lane, found)
        return Outcome(lane.object_name, Phase.TERMINATING, again=world.settings.drain_seconds)
    left = world.settings.drain_seconds - status.terminating_for(lane.status, world.now())
    if left > 0:
        log.info("lane.draining", lane=lane.object_name, left=round(left, 3))
        return Outcome(lane.object_name, Phase.TERMINATING, again=left)
    if lane.held:
        _withdraw(chain, lane, world)
        lane = lanes.release(world.cluster, lane)
    if not lane.going:
        lanes.remove(world.cluster, lane)
    log.info("lane.closed", lane=lane.object_name)
    return Outcome(lane.object_name, "")


def _withdraw(chain: Chain, lane: Lane, world: World) -> None:
    """What is refused for good is said in the lane's status, too: until it is mended the lane stays."""
    try:
        settle.withdraw(chain, lane, world)
    except PermanentError as problem:
        lanes.write_status(world.cluster, lane, status.unending(lane, problem, world.now()))
        raise


class _Run:
    """One convergence of an open lane."""

    def __init__(self, chain: Chain, lane: Lane, world: World, *, owns_nothing: bool) -> None:
        self.chain, self.lane, self.world = chain, lane, world
        self.owns_nothing = owns_nothing
        self.routes = LaneRoutes(chain, lane, world)
        self.family: Family | None = None  # until it is read
        self.steps: dict[str, float] = {}

    def converge(self) -> Outcome:
        if self.routes.due:
            with self._step("routes"):
                self.lane = self.routes.follow()
        try:
            with self._step("changes"):
                verdicts, wanted = self._fixed() if self.lane.release else self._changed()
        except LanewayError as problem:
            return self._blocked(problem)
        try:
            if (wait := entrance.wait(self.chain, self.lane, len(wanted), self.world)) is not None:
                return self._waiting(wait, verdicts)
            sleep = self._sleep(wanted)
            made, after = self._deploy(wanted, sleep)
        except ConflictError:
            raise
        except (PermanentError, TemporaryError) as problem:
            return self._blocked(problem)
        with self._step("status"):
            return self._report(verdicts, wanted, made, after, sleep)

    def _deploy(self, wanted: Sequence[Wanted], sleep: Sleep) -> tuple[Plan, Snapshot]:
        cluster = self.world.cluster
        with self._step("plan"):
            before = snapshot.read(
                self.chain,
                self.lane,
                cluster,
                owns_nothing=self.owns_nothing,
                wants_copies=bool(wanted),
                has_none=self.world.has_none,
            )
            made = plan.make(self.chain, self.lane, wanted, before, sleep.rest.replicas)
        with self._step("apply"):
            made, self.lane = self.routes.release(made, before, self.lane)
            return carrying.carry_out(made, before, self.lane, cluster)

    def _sleep(self, wanted: Sequence[Wanted]) -> Sleep:
        """A mesh has nobody who would notice a request for a lane that sleeps."""
        if not wanted or self.routes.meshed or self.lane.release:
            return AWAKE
        return bedtime.sleep(self.chain, self.lane, self.world)

    def _fixed(self) -> tuple[Sequence[Verdict], list[Wanted]]:
        """What a release's lane has: what the release says, whatever branches do."""
        self.family = Family()
        verdicts = changes.released(self.chain, self.lane)
        causes = {verdict.service: verdict for verdict in verdicts}
        return verdicts, [
            Wanted(
                self.chain.service(one.service), one.image, causes[one.service], one.replicas, one.revision
            )
            for one in self.lane.fixed
        ]

    def _changed(self) -> tuple[Sequence[Verdict], list[Wanted]]:
        """What the lane's branches change."""
        sources = self._sources()
        verdicts = changes.select(self.chain, sources, self.lane.mode)
        return verdicts, self._wanted(verdicts, sources)

    def _sources(self) -> list[Source]:
        stacked = replace(self.lane, parent=decision.parent_of(self.lane, self.chain))
        above = self.family = family.of(stacked, partial(lanes.read, self.world.cluster, self.chain.name))
        sources = []
        for member in self.lane.members:
            repository = self.chain.repository(member.repository)
            if repository is None:
                raise PermanentError(
                    f"the chain no longer lists repository {member.repository}", reason="UnknownRepository"
                )
            base = above.base(repository, member)
            source = self.world.repositories.read(self.chain, repository, member, base)
            self._check_approval(source)
            sources.append(source)
        self._follow(stacked, sources)
        return sources

    def _check_approval(self, source: Source) -> None:
        """A fork's head may have moved on since it was approved; what runs stays at the approved commit."""
        if not decision.may_run(self.chain, self.lane, source.member, source.head):
            raise PermanentError(
                f"{source.head} of {source.member.key}, a fork's, is not approved; "
                f"look at it, then: laneway approve {self.chain.name} {self.lane.name} {source.head}",
                reason=decision.Reason.AWAITING_APPROVAL,
            )

    def _follow(self, lane: Lane, sources: Sequence[Source]) -> None:
        """Notes in the spec where the branches are now, and which lane they build upon, where it said
        otherwise."""
        for source in sources:
            if source.head != source.member.sha:
                lane = lane.with_member(replace(source.member, sha=source.head))
        if lane != self.lane:
            self.lane = lanes.write(self.world.cluster, lane)

    def _wanted(self, verdicts: Sequence[Verdict], sources: Sequence[Source]) -> list[Wanted]:
        by_member = {source.member.key: source for source in sources}
        return [
            Wanted(service, self._image(service, by_member.get(verdict.member)), verdict)
            for service, verdict in zip(self.chain.services, verdicts, strict=True)
            if verdict.in_lane
        ]

    def _image(self, service: Service, source: Source | None) -> str | None:
        return changes.image(service, source, self.chain) if source else None

    def _report(
        self,
        verdicts: Sequence[Verdict],
        wanted: Sequence[Wanted],
        made: Plan,
        after: Snapshot,
        sleep: Sleep,
    ) -> Outcome:
        if not made.writes and not all(status.is_ready(one) for one in after.owned):
            after = replace(after, pods=snapshot.pods(self.chain, self.lane, self.world.cluster))
        now = self.world.now()
        found = status.compute(
            self.chain,
            self.lane,
            verdicts,
            wanted,
            made,
            after,
            now,
            image_pending_seconds=self.world.settings.image_pending_seconds,
            sleep=sleep,
        )
        found = self._write_status(found)
        log.info("lane.converged", lane=self.lane.object_name, phase=found["phase"], **_rounded(self.steps))
        moments = (status.again(found, now), sleep.seconds(now), self.routes.again(now))
        again = min((one for one in moments if one is not None), default=None)
        return Outcome(self.lane.object_name, found["phase"], again, self.steps)

    def _blocked(self, problem: LanewayError) -> Outcome:
        """Says in the status why the lane cannot go on; what runs goes on running."""
        now = self.world.now()
        found = status.blocked(self.lane, problem, now)
        self._write_status(found)
        log.warning("lane.blocked", lane=self.lane.object_name, reason=problem.reason, error=str(problem))
        if isinstance(problem, TemporaryError):
            raise problem
        return Outcome(self.lane.object_name, found["phase"], None, self.steps)

    def _waiting(self, wait: Wait, verdicts: Sequence[Verdict]) -> Outcome:
        """Says in the status what the lane waits for; nothing of it is made until there is room."""
        found = status.waiting(self.chain, self.lane, verdicts, wait, self.world.now())
        self._write_status(found)
        log.info("lane.waiting", lane=self.lane.object_name, reason=wait.limit.value, place=wait.place)
        return Outcome(self.lane.object_name, found["phase"], entrance.again(self.chain), self.steps)

    def _write_status(self, found: Json) -> Json:
        now = self.world.now()
        told = self.routes.told(inheritance.told(found, self.lane, self.family, now), now)
        lanes.write_status(self.world.cluster, self.lane, told)
        announce.news(self.world.cluster, self.lane, told)
        return told

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.steps[name] = time.monotonic() - started


def _rounded(steps: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in steps.items()}
