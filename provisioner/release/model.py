"""A Release as the cluster keeps it: frozen data with JSON on both sides, no IO.

`Release.spec` is what is wanted, and by whom; `Release.status` how far it has got. The object is named
CHAIN.NAME and is cluster-scoped; its lane has the name NAME and is owned by it. What the entry does is in
`status.weight` alone: one write of it moves the requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from provisioner import labels
from provisioner.chain.releasing import strategy_of
from provisioner.chain.strategy import Strategy
from provisioner.errors import ConfigError
from provisioner.lane.model import moment

Json = dict[str, Any]


class Phase(StrEnum):
    PENDING = "Pending"  # its lane is not ready yet, or another release of the chain runs
    PROGRESSING = "Progressing"  # a step is on its way, or lasts until a time or an analysis ends
    PAUSED = "Paused"  # a person has to say how it goes on
    FINISHING = "Finishing"  # all requests are in the lane, the baseline takes its images
    RETURNING = "Returning"  # the baseline is as the lane: requests go back to it, the lane drains
    RESTORING = "Restoring"  # it was ended while the baseline took the images: it gets its own back first
    ROLLING_BACK = "RollingBack"  # the share is 0, the lane drains
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"

    @property
    def over(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.ROLLED_BACK)


class Reason(StrEnum):
    """Why a release waits, or ended: the machine's word beside the message for people."""

    QUEUED = "Queued"  # another release of the chain runs
    LANE_NOT_READY = "LaneNotReady"
    SCALING = "Scaling"  # the lane grows before its share does
    HOLDING = "Holding"  # the step's pause is not over
    ANALYSING = "Analysing"
    MANUAL = "PausedByStep"
    PAUSED = "PausedByUser"
    BASELINE_CHANGED = "BaselineChanged"
    INCONCLUSIVE = "AnalysisInconclusive"
    ROLLING_OUT = "BaselineRollingOut"
    WAITING_FOR_BASELINE = "WaitingForBaseline"  # finish: wait
    DRAINING = "Draining"
    SUCCEEDED = "Succeeded"
    ABORTED = "Aborted"
    ANALYSIS_FAILED = "AnalysisFailed"
    LANE_UNHEALTHY = "LaneUnhealthy"
    BASELINE_UNHEALTHY = "BaselineUnhealthy"  # with the new images
    DEADLINE = "ProgressDeadlineExceeded"
    NOT_ATTACHED = "EntryNotAttached"
    REFUSED = "Refused"


@dataclass(frozen=True)
class Change:
    """One service that is released: the image that its baseline is to have."""

    service: str
    image: str

    def to_json(self) -> Json:
        return {"name": self.service, "image": self.image}

    @classmethod
    def from_json(cls, data: Json) -> Change:
        return cls(data["name"], data["image"])


@dataclass(frozen=True)
class Release:
    """The wanted side, with what is needed to write it back safely. `promoted` is up to which step, counted
    from 1, nobody has to be waited for; `resumed` how often somebody has said that it is to go on; `accepted`
    the fingerprint of the baseline that somebody has looked at after it changed in the middle; `aborted` why
    it is to end, empty while it is not. `problem` is what is wrong with a strategy that cannot be read; the
    usual one stands in for it then."""

    chain: str
    name: str
    changes: tuple[Change, ...]
    strategy: Strategy = field(default_factory=Strategy)
    origin: str = ""  # for people: `lane pr-4`, `images`, `main at 3f2c...`
    paused: bool = False
    promoted: int = 0
    resumed: int = 0
    accepted: str = ""
    aborted: str = ""
    problem: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    created: datetime | None = None
    finalizers: tuple[str, ...] = ()
    going: bool = False
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def object_name(self) -> str:
        return object_name(self.chain, self.name)

    @property
    def phase(self) -> Phase:
        return Phase(self.status.get("phase", Phase.PENDING))

    @property
    def reason(self) -> str:
        return str(self.status.get("reason", ""))

    @property
    def weight(self) -> int:
        """The share that the entry gives its lane now, in percent."""
        return int(self.status.get("weight", 0))

    @property
    def step(self) -> int:
        """Which step it is at, from 0."""
        return int(self.status.get("step", 0))

    @property
    def held(self) -> bool:
        """Whether it must not end before the baseline is of one version."""
        return labels.RELEASE in self.finalizers

    def spec(self) -> Json:
        """With every key that may change, so that a merge leaves nothing of before."""
        return {
            "chain": self.chain,
            "name": self.name,
            "services": [change.to_json() for change in self.changes],
            "strategy": self.strategy.to_json(),
            "origin": self.origin,
            "paused": self.paused,
            "promoted": self.promoted,
            "resumed": self.resumed,
            "accepted": self.accepted,
            "aborted": self.aborted,
        }

    def to_object(self) -> Json:
        """The object as it is sent to the cluster, without status."""
        metadata: Json = {"name": self.object_name, "labels": labels.of_chain(self.chain)}
        if self.uid:
            metadata |= {"uid": self.uid, "resourceVersion": self.resource_version}
        return {
            "apiVersion": labels.API_VERSION,
            "kind": "Release",
            "metadata": metadata,
            "spec": self.spec(),
        }

    @classmethod
    def from_object(cls, data: Json) -> Release:
        spec, metadata = data["spec"], data["metadata"]
        strategy, problem = _strategy(spec, metadata["name"])
        return cls(
            chain=spec["chain"],
            name=spec["name"],
            changes=tuple(Change.from_json(one) for one in spec["services"]),
            strategy=strategy,
            origin=spec.get("origin", ""),
            paused=bool(spec.get("paused", False)),
            promoted=int(spec.get("promoted", 0)),
            resumed=int(spec.get("resumed", 0)),
            accepted=spec.get("accepted", ""),
            aborted=spec.get("aborted", ""),
            problem=problem,
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            generation=metadata.get("generation", 0),
            created=moment(metadata["creationTimestamp"]),
            finalizers=tuple(metadata.get("finalizers") or ()),
            going="deletionTimestamp" in metadata,
            status=data.get("status") or {},
        )


def _strategy(spec: Json, name: str) -> tuple[Strategy, str]:
    """The strategy, and what is wrong with it: one object that is badly written must not hide the others."""
    if "strategy" not in spec:
        return Strategy(), ""
    try:
        return strategy_of(spec["strategy"], f"Release {name}"), ""
    except ConfigError as error:
        return Strategy(), str(error)


def object_name(chain: str, name: str) -> str:
    """The name of a release's object; a DNS subdomain, since both parts are DNS labels."""
    return f"{chain}.{name}"
