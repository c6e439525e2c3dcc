"""When a lane sleeps, what it owns then, and what its status says until it is awake again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from provisioner.chain.model import Chain, Lifecycle
from provisioner.copies import plan
from provisioner.errors import GitError, PermanentError
from provisioner.lane import sleeping
from provisioner.lane.model import Lane, stamp
from provisioner.lane.sleeping import AWAKE, Rest, Sleep
from provisioner.status import compute as status
from provisioner.sweep import drift
from provisioner.sweep.retention import Facts, Why
from tests.support import baseline as b

Json = dict[str, Any]

IDLE = timedelta(hours=8)
DRAIN = timedelta(seconds=2)
DOZING, ASLEEP = Sleep(Rest.DOZING, b.NOW + DRAIN), Sleep(Rest.ASLEEP)
GONE = b.rolled_out(replicas=0, updatedReplicas=0, readyReplicas=0)


def chain(idle: timedelta | None = IDLE) -> Chain:
    return replace(b.chain(), lifecycle=Lifecycle(idle=idle))


def run(lane: Lane, workload: Json, sleep: Sleep, now: datetime = b.NOW, pods: tuple[Json, ...] = ()) -> Json:
    """The status after a run that found payment's copy with the status `workload`."""
    made = plan.make(chain(), b.lane(), [b.wanted()], b.snapshot(), sleep.rest.replicas)
    after = b.snapshot(owned=b.applied(made, **workload), pods=pods)
    return status.compute(
        chain(), lane, [b.verdict()], [b.wanted()], plan.Plan(), after, now, sleep=sleep
    ) | {"activeAt": stamp(b.NOW)}


def ready() -> Lane:
    return b.lane(status=run(b.lane(), b.rolled_out(), AWAKE))


def dozing() -> Lane:
    return b.lane(status=run(ready(), b.rolled_out(), DOZING, b.later(0)))


def asleep() -> Lane:
    return b.lane(status=run(dozing(), GONE, ASLEEP, b.later(3)))


def route(found: Json) -> str:
    return str(found["services"][0]["route"])


def condition(found: Json, kind: str) -> Json:
    return next(one for one in found["conditions"] if one["type"] == kind)


# --- when ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "idle"), [(7.9, False), (8, False), (8.1, True), (1000, True)])
def test_a_lane_is_idle_when_nobody_used_it_for_so_long(hours: float, idle: bool) -> None:
    assert sleeping.is_idle(ready(), chain(), b.later(hours * 3600)) is idle


def test_a_lane_that_is_pinned_or_never_idle_or_unknown_or_just_pushed_is_not_idle() -> None:
    late = b.later(10**6)
    assert sleeping.is_idle(ready(), chain(), late)
    assert not sleeping.is_idle(replace(ready(), pinned=True), chain(), late)
    assert not sleeping.is_idle(ready(), chain(idle=None), late)
    assert not sleeping.is_idle(b.lane(), chain(), late)
    assert not sleeping.is_idle(replace(ready(), members=(b.member("2" * 40),)), chain(), late)


def test_a_lane_has_to_be_looked_at_when_its_sleep_and_its_use_disagree() -> None:
    late = b.later(9 * 3600)
    assert not sleeping.is_due(ready(), chain(), b.later(60))
    assert sleeping.is_due(ready(), chain(), late)
    assert not sleeping.is_due(asleep(), chain(), late)
    assert sleeping.is_due(asleep(), chain(), b.later(60))
    assert sleeping.is_due(asleep(), chain(idle=None), late)


def test_a_lane_without_copies_has_nothing_to_put_to_sleep() -> None:
    empty = status.compute(
        chain(), b.lane(), [b.verdict(in_lane=False)], [], plan.Plan(), b.snapshot(), b.NOW
    )
    assert not sleeping.is_due(b.lane(status=empty), chain(), b.later(10**6))


def test_its_requests_are_led_away_before_its_pods_go() -> None:
    assert sleeping.going_on(ready(), b.NOW, DRAIN) == DOZING
    assert sleeping.going_on(dozing(), b.later(1), DRAIN) == DOZING
    assert sleeping.going_on(dozing(), b.later(2), DRAIN) == ASLEEP
    assert sleeping.going_on(asleep(), b.later(10**6), DRAIN) == ASLEEP


def test_what_nobody_saw_is_no_idleness() -> None:
    late = b.later(9 * 3600)
    assert sleeping.may_begin(b.NOW, chain(), late) is None
    since = late - timedelta(hours=1)
    assert sleeping.may_begin(since, chain(), late) == Sleep(Rest.AWAKE, since + IDLE)
    unseen = sleeping.may_begin(None, chain(), late)
    assert unseen is not None
    assert (unseen.rest, unseen.seconds(late)) == (Rest.AWAKE, 2 * 3600)


@pytest.mark.parametrize(
    ("idle", "seconds"), [(None, 60), (IDLE, 60), (timedelta(minutes=2), 40), (timedelta(minutes=1), 20)]
)
def test_a_lane_in_use_is_noted_often_enough_to_stay_awake(idle: timedelta | None, seconds: int) -> None:
    assert sleeping.renewal(chain(idle)) == timedelta(seconds=seconds)


# --- what it owns -------------------------------------------------------------------------------------------


def replicas(made: plan.Plan) -> list[int]:
    return [one["spec"]["replicas"] for one in made.desired if one["kind"] == "Deployment"]


def test_only_its_replicas_change() -> None:
    awake = plan.make(chain(), b.lane(), [b.wanted()], b.snapshot())
    snapshot = b.snapshot(owned=b.applied(awake))
    there = plan.make(chain(), b.lane(), [b.wanted()], snapshot, Rest.DOZING.replicas)
    gone = plan.make(chain(), b.lane(), [b.wanted()], snapshot, Rest.ASLEEP.replicas)

    assert (replicas(awake), there.writes) == ([1], ())
    assert [(one.kind, one.body["spec"]["replicas"]) for one in gone.writes] == [("Deployment", 0)]
    assert gone.removals == ()


def test_a_lane_that_sleeps_has_not_drifted_and_one_with_a_pod_has() -> None:
    account = drift.account(asleep())
    derived = drift.Derived(chain(), b.snapshot())
    workloads = {
        rest: next(
            one
            for one in b.applied(
                plan.make(chain(), b.lane(), [b.wanted()], b.snapshot(), rest.replicas), **how
            )
            if one["kind"] == "Deployment"
        )
        for rest, how in ((Rest.ASLEEP, GONE), (Rest.AWAKE, b.rolled_out()))
    }
    assert drift.differs(workloads[Rest.ASLEEP], account, derived) == ""
    assert "not as its baseline and its branch want it" in drift.differs(
        workloads[Rest.AWAKE], account, derived
    )


def test_a_sweep_leaves_a_lane_alone_that_sleeps_rightly() -> None:
    late, lane = b.later(9 * 3600), asleep()
    assert drift.unsettled(lane, chain(), Facts(), late) is None
    woken = drift.unsettled(lane, chain(), Facts(), b.later(60))
    tired = drift.unsettled(ready(), chain(), Facts(), late)
    assert woken == (Why.REST_DUE, "it sleeps, and is wanted awake")
    assert tired == (Why.REST_DUE, "it is idle")


# --- what its status says -----------------------------------------------------------------------------------


def test_while_it_dozes_the_waker_has_its_requests_and_its_pods_still_run() -> None:
    found = dozing().status
    assert (found["phase"], found["summary"], route(found)) == ("Sleeping", "1/1", "waker")
    assert condition(found, "Ready")["reason"] == "Asleep"
    assert found["deadline"] == stamp(b.NOW + DRAIN)
    assert found["timeline"][-1]["event"] == "Asleep"


def test_asleep_it_has_no_pods_and_waits_for_nothing() -> None:
    found = asleep().status
    assert (found["phase"], found["summary"], route(found)) == ("Sleeping", "0/1", "waker")
    assert found["services"][0]["state"] == "Sleeping"
    assert "deadline" not in found
    assert [one["event"] for one in found["timeline"]].count("Asleep") == 1


def test_a_run_over_a_lane_that_sleeps_changes_nothing() -> None:
    lane = asleep()
    assert run(lane, GONE, ASLEEP, b.later(9999)) == lane.status


def test_it_wakes_under_the_waker_until_everybody_knows_that_it_serves() -> None:
    starts = run(asleep(), b.starting(readyReplicas=0), AWAKE, b.later(10))
    assert (starts["phase"], route(starts)) == ("Deploying", "waker")
    assert starts["timeline"][-1]["event"] == "Woken"

    serves = run(b.lane(status=starts), b.rolled_out(), AWAKE, b.later(12))
    assert (serves["phase"], route(serves)) == ("Ready", "waker")
    assert serves["deadline"] == stamp(b.later(12) + status.SETTLING)
    assert (serves["timeline"][-1]["event"], serves["timeline"][-1]["seconds"]) == ("Ready", 2.0)

    settled = run(b.lane(status=serves), b.rolled_out(), AWAKE, b.later(14))
    assert (settled["phase"], route(settled)) == ("Ready", "lane")
    assert "deadline" not in settled


def test_a_copy_that_cannot_start_is_no_longer_waited_for() -> None:
    broken = b.pod(b.waiting("CrashLoopBackOff") | {"restartCount": 5})
    found = run(asleep(), b.starting(), AWAKE, b.later(10), (broken,))
    assert (found["phase"], route(found)) == ("Degraded", "baseline")


def test_a_copy_whose_image_does_not_exist_yet_is_not_waited_for_by_requests() -> None:
    pending = b.pod(b.waiting("ImagePullBackOff"))
    found = run(asleep(), b.starting(), AWAKE, b.later(10), (pending,))
    assert route(found) == "baseline"


@pytest.mark.parametrize("problem", [GitError("git is down"), PermanentError("never again")])
def test_what_blocks_a_lane_that_sleeps_leaves_its_requests_with_the_waker(problem: Exception) -> None:
    found = status.blocked(asleep(), problem, b.later(20))
    assert (found["phase"], route(found)) == ("Sleeping", "waker")
    assert condition(found, "Resolved")["message"] == str(problem)


# --- making room -------------------------------------------------------------------------------------------


def used(name: str, minutes: float, **changes: Any) -> Lane:
    """A lane that was used so many minutes ago."""
    found = ready()
    status = {**found.status, "activeAt": stamp(b.NOW - timedelta(minutes=minutes)), **changes}
    return replace(found, name=name, status=status)


def test_the_lane_that_was_idle_for_longest_makes_room() -> None:
    found = sleeping.longest_idle([used("a", 10), used("b", 30), used("c", 20)], b.NOW)
    assert found is not None and found.name == "b"


@pytest.mark.parametrize(
    "lane",
    [
        used("busy", 4),
        replace(used("pinned", 60), pinned=True),
        used("sleeps", 60, phase="Sleeping"),
        used("closes", 60, phase="Terminating"),
        used("waits", 60, phase="Pending"),
        used("bare", 60, services=[]),
    ],
    ids=lambda lane: lane.name,
)
def test_these_make_no_room(lane: Lane) -> None:
    assert sleeping.longest_idle([lane], b.NOW) is None


def test_one_lane_at_a_time_is_asked() -> None:
    asked = used("a", 10, restAskedAt=stamp(b.NOW))
    assert sleeping.longest_idle([asked, used("b", 30)], b.NOW) is None
    asleep = replace(asked, status={**asked.status, "phase": "Sleeping"})
    found = sleeping.longest_idle([asleep, used("b", 30)], b.NOW)
    assert found is not None and found.name == "b"


@pytest.mark.parametrize("idle", [None, IDLE])
def test_who_was_asked_sleeps_until_it_is_used_again(idle: timedelta | None) -> None:
    asked = used("a", 10, restAskedAt=stamp(b.NOW))
    assert sleeping.is_idle(asked, chain(idle), b.NOW)
    assert sleeping.is_due(asked, chain(idle), b.NOW)
    used_since = used("a", -1, restAskedAt=stamp(b.NOW))
    assert not sleeping.is_idle(used_since, chain(idle), b.later(90))
    assert not sleeping.is_due(used_since, chain(idle), b.later(90))


def test_a_run_keeps_that_a_lane_was_asked() -> None:
    asked = used("a", 10, restAskedAt=stamp(b.NOW))
    made = plan.make(chain(), b.lane(), [b.wanted()], b.snapshot(), 1)
    after = b.snapshot(owned=b.applied(made, **b.rolled_out()))
    found = status.compute(
        chain(), asked, [b.verdict()], [b.wanted()], plan.Plan(), after, b.NOW, sleep=DOZING
    )
    assert found["restAskedAt"] == stamp(b.NOW)
