"""The gate between the steps of a chain's Rollouts, for a team that has Argo Rollouts step by itself. Pure.

Read from top to bottom; the first line that holds is the answer.

| what is seen | answer |
|---|---|
| a Rollout of the chain is aborted, Degraded, or gone | abort: all go back |
| one that is being updated is paused by hand, or at an earlier step than the one that asks | wait |
| else | go |

A Rollout that is not being updated has no part in it: it may have no new version, or have it already. So who
asks has to hear `go` a few times in a row, until the others have begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Word(StrEnum):
    GO = "go"
    WAIT = "wait"
    ABORT = "abort"


@dataclass(frozen=True)
class Answer:
    """What a Rollout may do, and why."""

    word: Word
    message: str

    def to_json(self) -> Json:
        return {"gate": self.word.value, "message": self.message}


def answer(name: str, rollouts: Mapping[str, Json | None]) -> Answer:
    """What the Rollout `name` hears. `rollouts` are all of the chain's by name, itself among them; None where
    one is not there."""
    if broken := [said for one, live in sorted(rollouts.items()) if (said := _broken(one, live))]:
        return Answer(Word.ABORT, "; ".join(broken))
    updated = {one: live for one, live in sorted(rollouts.items()) if live and _is_updated(live)}
    mine = _step(updated[name]) if name in updated else 0
    if behind := [said for one, live in updated.items() if (said := _behind(one, live, mine))]:
        return Answer(Word.WAIT, "; ".join(behind))
    return Answer(Word.GO, _told(list(updated)))


def _broken(name: str, rollout: Json | None) -> str:
    if rollout is None or "deletionTimestamp" in rollout["metadata"]:
        return f"{name} is gone"
    status = rollout.get("status") or {}
    if status.get("abort"):
        return f"{name} was aborted"
    return f"{name} is Degraded: {status.get('message', '')}" if status.get("phase") == "Degraded" else ""


def _is_updated(rollout: Json) -> bool:
    status = rollout.get("status") or {}
    seen = status.get("observedGeneration") == str(rollout["metadata"].get("generation", 0))
    return not seen or status.get("currentPodHash") != status.get("stableRS")


def _behind(name: str, rollout: Json, step: int) -> str:
    """Why a Rollout has not arrived at a step; empty when it has."""
    if rollout["spec"].get("paused"):
        return f"{name} is paused by hand"
    here = _step(rollout)
    return f"{name} is at step {here}, before {step}" if here < step else ""


def _step(rollout: Json) -> int:
    """Which step it is at, from 0; of a template that its controller has not seen: none yet."""
    status = rollout.get("status") or {}
    seen = status.get("observedGeneration") == str(rollout["metadata"].get("generation", 0))
    return int(status.get("currentStepIndex") or 0) if seen else 0


def _told(updated: Sequence[str]) -> str:
    return (
        f"all have arrived: {', '.join(updated)}" if updated else "no Rollout of the chain is being updated"
    )
