"""What a lane's status says: phase, conditions, services, routes and what happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from provisioner.chain.model import Chain
from provisioner.copies import plan
from provisioner.errors import ForeignObjectError, GitError, InputError
from provisioner.lane.model import Lane, Mode, stamp
from provisioner.status import compute as status
from tests.support import baseline as b

Json = dict[str, Any]

PATIENCE = 1200.0


def first_plan() -> plan.Plan:
    return plan.make(b.chain(), b.lane(), [b.wanted()], b.snapshot())


def pushed_plan() -> plan.Plan:
    """What another commit makes of the copy that the first plan made."""
    snapshot = b.snapshot(owned=b.applied(first_plan()))
    return plan.make(b.chain(), b.lane(), [b.wanted(image="registry/payment:newer")], snapshot)


def run(
    lane: Lane,
    workload: Json,
    pods: Iterable[Json] = (),
    *,
    now: datetime = b.NOW,
    carried_out: plan.Plan | None = None,
    version: str = "12",
) -> Json:
    """The status after a run that found payment's copy with the status `workload`."""
    owned = b.applied(first_plan(), **workload)
    owned[1]["metadata"]["resourceVersion"] = version
    snapshot = b.snapshot(owned=owned, pods=pods)
    made = carried_out or plan.Plan()
    return status.compute(
        b.chain(), lane, [b.verdict()], [b.wanted()], made, snapshot, now, image_pending_seconds=PATIENCE
    )


def condition(found: Json, kind: str) -> Json:
    return next(one for one in found["conditions"] if one["type"] == kind)


def events(found: Json) -> list[str]:
    return [one["event"] for one in found["timeline"]]


def ready_lane() -> Lane:
    opened = run(b.lane(), {}, carried_out=first_plan())
    return b.lane(status=run(b.lane(status=opened), b.rolled_out(), now=b.later(3)))


# --- the whole ---------------------------------------------------------------------------------------------


def test_a_lane_that_was_just_applied_is_deploying_and_the_baseline_answers() -> None:
    found = run(b.lane(), {}, carried_out=first_plan())
    assert (found["phase"], found["summary"]) == ("Deploying", "0/1")
    assert found["url"] == "http://pr-42.preview.example.com"
    assert found["observedGeneration"] == 2
    assert found["services"] == [
        {
            "name": "payment",
            "inLane": True,
            "reason": "Changed",
            "message": "payment/app.py matches payment/**",
            "image": "registry/payment:new",
            "ready": False,
            "route": "baseline",
            "state": "Progressing",
            "detail": "applied; the cluster has not acted on it yet",
            "baseline": {"revision": "3", "at": stamp(b.NOW)},
        }
    ]
    assert [one["status"] for one in found["conditions"]] == ["True", "True", "False"]
    assert events(found) == ["Opened", "Applied"]


def test_a_lane_whose_copy_runs_is_ready_and_says_how_long_it_took() -> None:
    found = ready_lane().status
    assert (found["phase"], found["summary"]) == ("Ready", "1/1")
    assert (found["services"][0]["ready"], found["services"][0]["route"]) == (True, "lane")
    assert condition(found, "Ready")["reason"] == "Ready"
    assert found["timeline"][-1] == {
        "event": "Ready",
        "at": "2026-01-02T03:04:08.000000Z",
        "seconds": 3.0,
        "message": "ready: payment",
    }


def test_a_run_without_news_gives_an_equal_status() -> None:
    lane = ready_lane()
    assert run(lane, b.rolled_out(), now=b.later(9999)) == lane.status


def test_a_lane_in_which_nothing_changed_is_ready_and_says_so() -> None:
    verdicts = [b.verdict(in_lane=False)]
    found = status.compute(b.chain(), b.lane(), verdicts, [], plan.Plan(), b.snapshot(), b.NOW)
    assert (found["phase"], found["summary"]) == ("Ready", "0/0")
    ready = condition(found, "Ready")
    assert ready["reason"] == "NothingChanged"
    assert ready["message"] == "no service of the chain changed; every request goes to the baseline"
    assert found["services"] == [
        {
            "name": "payment",
            "inLane": False,
            "reason": "Unchanged",
            "message": "none of 2 changed paths matches payment/**",
            "ready": False,
            "route": "baseline",
        }
    ]
    assert events(found) == ["Opened", "Ready"]


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    deploying = run(b.lane(), {})
    still = run(b.lane(status=deploying), b.starting(), [b.pod()], now=b.later(5))
    turned = run(b.lane(status=still), b.rolled_out(), now=b.later(8))
    times = [condition(one, "Ready")["lastTransitionTime"] for one in (deploying, still, turned)]
    assert times == ["2026-01-02T03:04:05.000000Z"] * 2 + ["2026-01-02T03:04:13.000000Z"]


def test_a_chain_without_preview_hosts_has_no_url() -> None:
    chain = Chain("shop", (), (b.service(),))
    found = status.compute(chain, b.lane(), [], [], plan.Plan(), b.snapshot(), b.NOW)
    assert found["url"] == ""


# --- routes ------------------------------------------------------------------------------------------------


def test_the_old_pod_answers_until_the_new_one_is_ready() -> None:
    rolling = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}
    found = run(ready_lane(), rolling, [b.pod(revision="new")])
    assert found["phase"] == "Deploying"
    assert (found["services"][0]["ready"], found["services"][0]["route"]) == (False, "lane")


@pytest.mark.parametrize(
    ("mode", "inside", "outside"),
    [(Mode.LOOSE, "baseline", "baseline"), (Mode.MEMBERS, "none", "baseline"), (Mode.ALL, "none", "none")],
)
def test_a_strict_lane_never_falls_back(mode: Mode, inside: str, outside: str) -> None:
    verdicts = [b.verdict(), b.verdict("orders", in_lane=False)]
    lane = b.lane(mode=mode)
    found = status.compute(b.chain(), lane, verdicts, [b.wanted()], plan.Plan(), b.snapshot(), b.NOW)
    assert [one["route"] for one in found["services"]] == [inside, outside]


# --- trouble -----------------------------------------------------------------------------------------------


def test_a_refused_service_degrades_the_lane_and_the_others_go_on() -> None:
    two = [b.wanted(), b.wanted(b.service("orders"))]
    made = plan.make(b.chain(), b.lane(), two, b.snapshot("orders"))
    owned = b.applied(made, **b.rolled_out())
    snapshot = b.snapshot("orders", owned=owned)
    verdicts = [b.verdict(), b.verdict("orders")]
    found = status.compute(b.chain(), b.lane(), verdicts, two, made, snapshot, b.NOW)
    assert (found["phase"], found["summary"]) == ("Degraded", "1/2")
    assert [one["route"] for one in found["services"]] == ["baseline", "lane"]
    assert [one["state"] for one in found["services"]] == ["CannotClone", "Ready"]
    for kind in ("Deployed", "Ready"):
        assert condition(found, kind)["status"] == "False"
        assert condition(found, kind)["reason"] == "CannotClone"
        assert "namespace shop has no such workload" in condition(found, kind)["message"]
    assert events(found) == ["Opened", "Applied", "Degraded"]


def test_a_copy_that_has_to_be_made_again_is_not_deployed() -> None:
    found = status.compute(
        b.chain(), ready_lane(), [b.verdict()], [b.wanted()], plan.Plan(), b.snapshot(), b.NOW
    )
    assert (found["phase"], found["services"][0]["route"]) == ("Deploying", "baseline")
    assert condition(found, "Deployed")["status"] == "False"


def test_a_copy_that_stays_after_its_baseline_vanished_still_answers() -> None:
    owned = b.applied(first_plan(), **b.rolled_out())
    snapshot = b.snapshot("orders", owned=owned)
    made = plan.make(b.chain(), b.lane(), [b.wanted()], snapshot)
    found = status.compute(b.chain(), b.lane(), [b.verdict()], [b.wanted()], made, snapshot, b.NOW)
    assert (found["phase"], found["summary"]) == ("Degraded", "0/1")
    assert found["services"][0]["route"] == "lane"


def test_an_object_of_somebody_else_met_on_the_way_is_told_and_not_as_applied() -> None:
    made = first_plan()
    problem = ForeignObjectError("it belongs to Helm", where="Deployment shop/payment--pr-42")
    met = plan.Plan(made.writes, problems={"payment": problem})
    found = run(b.lane(), {}, carried_out=met)
    assert (found["phase"], condition(found, "Deployed")["reason"]) == ("Degraded", "ForeignObject")
    assert events(found) == ["Opened", "Degraded"]
    assert run(b.lane(status=found), {}, carried_out=met, now=b.later(60)) == found


def test_an_image_may_be_missing_for_a_while_and_the_status_says_when_that_ends() -> None:
    pods = [b.pod(b.waiting("ImagePullBackOff"))]
    found = run(b.lane(), b.starting(), pods)
    assert (found["phase"], found["services"][0]["state"]) == ("Deploying", "ImagePending")
    assert "registry/payment:new" in found["services"][0]["detail"]
    assert status.again(found, b.NOW) == PATIENCE - 5
    late = run(b.lane(status=found), b.starting(), pods, now=b.later(PATIENCE))
    assert (late["phase"], late["services"][0]["state"]) == ("Degraded", "ImagePending")
    assert status.again(late, b.later(PATIENCE)) is None
    assert events(late)[-1] == "Degraded"
    found_at_last = run(b.lane(status=late), b.rolled_out(), now=b.later(PATIENCE + 60))
    assert found_at_last["phase"] == "Ready"
    assert found_at_last["timeline"][-1]["seconds"] == PATIENCE + 60


def test_an_image_that_stays_missing_adds_nothing_to_the_status() -> None:
    pods = [b.pod(b.waiting("ErrImagePull"))]
    found = run(b.lane(), b.starting(), pods)
    swapped = [b.pod(b.waiting("ImagePullBackOff"))]
    assert run(b.lane(status=found), b.starting(), swapped, now=b.later(60)) == found


def test_a_crash_is_told_with_its_exit_code_and_further_restarts_are_no_news() -> None:
    crashed = b.waiting("CrashLoopBackOff") | {"lastState": {"terminated": {"exitCode": 3}}}
    found = run(b.lane(), b.starting(), [b.pod(crashed | {"restartCount": 2})])
    assert (found["phase"], condition(found, "Ready")["reason"]) == ("Degraded", "CrashLooping")
    assert condition(found, "Ready")["message"] == "payment: container app keeps ending with exit code 3"
    running = {"state": {"running": {}}, "lastState": crashed["lastState"], "restartCount": 3}
    again = run(b.lane(status=found), b.starting(), [b.pod(running)], now=b.later(60))
    assert again == found


# --- what happened -----------------------------------------------------------------------------------------


def test_a_push_is_told_and_timed_from_itself() -> None:
    before = ready_lane().status
    lane = b.lane(b.member(sha="2" * 40), status=before)
    carried_out = pushed_plan()
    pushed = run(lane, {"observedGeneration": 0}, now=b.later(100), carried_out=carried_out, version="13")
    assert events(pushed)[-2:] == ["Updated", "Applied"]
    assert pushed["timeline"][-2]["message"] == "acme/shop#42 at 222222222222"
    ready = run(b.lane(b.member(sha="2" * 40), status=pushed), b.rolled_out(), now=b.later(104.5))
    assert ready["timeline"][-1]["seconds"] == 4.5


def test_of_two_pushes_the_last_one_is_timed() -> None:
    lane = ready_lane()
    for sha, seconds in (("2" * 40, 100), ("3" * 40, 110)):
        pushed = run(b.lane(b.member(sha), status=lane.status), b.starting(), now=b.later(seconds))
        lane = b.lane(b.member(sha), status=pushed)
    ready = run(lane, b.rolled_out(), now=b.later(112))
    assert ready["timeline"][-1]["seconds"] == 2.0


def test_a_push_that_changes_no_copy_is_ready_again_at_once() -> None:
    lane = b.lane(b.member(sha="2" * 40), status=ready_lane().status)
    found = run(lane, b.rolled_out(), now=b.later(100))
    assert events(found)[-2:] == ["Updated", "Ready"]
    assert found["timeline"][-1]["seconds"] == 0.0


def test_a_member_that_joins_or_leaves_is_told_once() -> None:
    first, second = b.member(), b.member(pull=43)
    joined = run(b.lane(first, second, status=ready_lane().status), b.rolled_out())
    assert joined["timeline"][-2]["message"] == "acme/shop#43 at 111111111111"
    left = run(b.lane(second, status=joined), b.rolled_out())
    assert left["timeline"][-2]["message"] == "acme/shop#42 left"
    assert run(b.lane(second, status=left), b.rolled_out()) == left


def test_a_copy_derived_again_says_from_which_revision() -> None:
    owned = b.applied(first_plan(), **b.rolled_out())
    snapshot = b.snapshot(owned=owned)
    snapshot.workloads[0]["metadata"]["generation"] = 4
    snapshot.workloads[0]["spec"]["template"]["spec"]["dnsPolicy"] = "Default"
    made = plan.make(b.chain(), b.lane(), [b.wanted()], snapshot)
    found = run(ready_lane(), {"observedGeneration": 0}, carried_out=made, version="13")
    assert events(found)[-2:] == ["BaselineChanged", "Applied"]
    assert found["timeline"][-2]["message"] == "Deployment payment--pr-42: baseline revision 4, was 3"


def test_a_write_that_admission_undoes_is_no_news() -> None:
    owned = b.applied(first_plan(), **b.rolled_out())
    owned[1]["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/payment:new"
    made = plan.make(b.chain(), b.lane(), [b.wanted()], b.snapshot(owned=owned))
    assert [write.name for write in made.writes] == ["payment--pr-42"]
    lane = ready_lane()
    assert run(lane, b.rolled_out(), carried_out=made, now=b.later(60)) == lane.status


def test_what_was_removed_is_told() -> None:
    owned = b.applied(first_plan(), **b.rolled_out())
    made = plan.make(b.chain(), b.lane(), [], b.snapshot(owned=owned))
    found = status.compute(
        b.chain(), ready_lane(), [b.verdict(in_lane=False)], [], made, b.snapshot(), b.later(9)
    )
    assert events(found)[-2:] == ["Removed", "Ready"]
    assert found["timeline"][-2]["message"] == "Deployment payment--pr-42, Service payment--pr-42"


def test_the_timeline_is_bounded_and_keeps_the_opening() -> None:
    lane = ready_lane()
    for number in range(40):
        moved = b.member(sha=f"{number:040d}")
        lane = b.lane(
            moved, status=run(b.lane(moved, status=lane.status), b.rolled_out(), now=b.later(number))
        )
    line = lane.status["timeline"]
    assert len(line) == 50
    assert line[0]["event"] == "Opened"
    assert line[-2]["message"] == f"acme/shop#42 at {39:040d}"[: len("acme/shop#42 at ") + 12]


# --- a lane that is blocked, or closing --------------------------------------------------------------------


def test_a_ready_lane_stays_ready_while_git_is_down_and_says_so() -> None:
    lane = ready_lane()
    found = status.blocked(lane, GitError("no answer", where="acme/shop"), b.later(60))
    assert found["phase"] == "Ready"
    assert found["services"] == lane.status["services"]
    resolved = condition(found, "Resolved")
    assert (resolved["status"], resolved["reason"]) == ("False", "RepositoryUnavailable")
    assert resolved["message"] == "acme/shop: no answer"
    assert events(found)[-1] == "Blocked"


def test_trouble_with_git_that_lasts_degrades_the_lane_and_does_not_fill_its_timeline() -> None:
    first = status.blocked(ready_lane(), GitError("no answer"), b.later(60))
    assert status.again(first, b.later(60)) == 600
    second = status.blocked(b.lane(status=first), GitError("no answer, again"), b.later(120))
    assert events(second) == events(first)
    third = status.blocked(b.lane(status=second), GitError("no answer"), b.later(660))
    assert (third["phase"], status.again(third, b.later(660))) == ("Degraded", None)
    assert condition(third, "Ready")["status"] == "False"


def test_a_new_lane_that_cannot_be_resolved_yet_is_pending() -> None:
    found = status.blocked(b.lane(), GitError("no answer"), b.NOW)
    assert found["phase"] == "Pending"
    assert events(found) == ["Opened", "Blocked"]


def test_what_cannot_pass_by_itself_degrades_at_once() -> None:
    found = status.blocked(b.lane(), InputError("no such commit", reason="CommitMissing"), b.NOW)
    assert (found["phase"], condition(found, "Resolved")["reason"]) == ("Degraded", "CommitMissing")


def test_a_lane_recovers_from_being_blocked() -> None:
    blocked = status.blocked(ready_lane(), GitError("no answer"), b.later(60))
    found = run(b.lane(status=blocked), b.rolled_out(), now=b.later(90))
    assert (found["phase"], condition(found, "Resolved")["status"]) == ("Ready", "True")
    assert events(found)[-2:] == ["Blocked", "Ready"]
    assert "deadline" not in found


def test_a_closing_lane_has_no_routes_and_counts_from_when_it_began() -> None:
    lane = ready_lane()
    assert status.terminating_for(lane.status, b.later(60)) == 0.0
    found = status.terminating(lane, b.later(60))
    assert (found["phase"], found["services"][0]["route"]) == ("Terminating", "baseline")
    assert condition(found, "Ready")["reason"] == "Closing"
    assert status.terminating_for(found, b.later(61.5)) == 1.5
    assert status.terminating(b.lane(status=found), b.later(70)) == found


def test_a_copy_without_the_container_that_the_chain_file_names_now_is_told_with_the_others() -> None:
    wanted = plan.Wanted(b.service(container="renamed"), None, b.verdict())
    made = plan.make(b.chain(), b.lane(), [wanted], b.snapshot())
    snapshot = b.snapshot(owned=b.applied(first_plan(), **b.rolled_out()))
    found = status.compute(b.chain(), b.lane(), [b.verdict()], [wanted], made, snapshot, b.NOW)
    assert "it has no container renamed" in found["services"][0]["detail"]
