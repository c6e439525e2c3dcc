"""What a Rollout hears that asks, at a step of its own, whether all have arrived."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.release.gate import Answer, Word, answer

Json = dict[str, Any]


def rollout(step: int | None = None, *, paused: bool = False, **status: Any) -> Json:
    """One that is Healthy, or that is being updated and at a step."""
    now = "old" if step is None else "new"
    told = {"observedGeneration": "4", "stableRS": "old", "currentPodHash": now, "currentStepIndex": step}
    return {"metadata": {"generation": 4}, "spec": {"paused": paused}, "status": {**told, **status}}


def unseen(step: int) -> Json:
    """Its template was changed, and its controller has not looked yet."""
    return rollout(step, observedGeneration="3", currentPodHash="old")


def ask(order: Json | None, payment: Json | None) -> Answer:
    return answer("order", {"order": order, "payment": payment})


@pytest.mark.parametrize(
    "payment",
    [rollout(1), rollout(3), rollout()],
    ids=["at the same step", "further on", "not being updated, or done"],
)
def test_it_may_go_when_nobody_who_is_updated_is_behind(payment: Json) -> None:
    assert ask(rollout(1), payment).word is Word.GO


@pytest.mark.parametrize(
    ("payment", "said"),
    [
        (rollout(0), "payment is at step 0, before 1"),
        (rollout(7, observedGeneration="3"), "payment is at step 0, before 1"),
        (unseen(10), "payment is at step 0, before 1"),
        (rollout(3, paused=True), "payment is paused by hand"),
    ],
    ids=["behind", "with another template meanwhile", "about to begin", "paused"],
)
def test_it_waits_for_one_that_is_behind(payment: Json, said: str) -> None:
    assert ask(rollout(1), payment) == Answer(Word.WAIT, said)


@pytest.mark.parametrize(
    ("payment", "said"),
    [
        (rollout(1, abort=True, phase="Degraded"), "payment was aborted"),
        (rollout(1, phase="Degraded", message="InvalidSpec"), "payment is Degraded: InvalidSpec"),
        (None, "payment is gone"),
        ({**rollout(), "metadata": {"deletionTimestamp": "now"}}, "payment is gone"),
    ],
    ids=["aborted", "degraded", "gone", "going"],
)
def test_all_go_back_when_one_does(payment: Json | None, said: str) -> None:
    assert ask(rollout(3), payment) == Answer(Word.ABORT, said)


def test_the_answer_is_what_the_template_reads() -> None:
    assert ask(rollout(1), rollout(1)).to_json() == {
        "gate": "go",
        "message": "all have arrived: order, payment",
    }
