"""What a release is decided by, and what is decided: frozen data between the story and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from provisioner.lane.model import Fixed
from provisioner.release.model import Phase, Reason

Json = dict[str, Any]


@dataclass(frozen=True)
class Copy:
    """A service's copy in the release's lane. `ready` pods of `wanted`, all of its newest template; `serving`
    are those of any template, None where that is the same. `trouble` says why it cannot become ready, such as
    a crash loop or an image that cannot be pulled; empty while it may, and `waits` what for."""

    wanted: int
    ready: int
    trouble: str = ""
    serving: int | None = None
    waits: str = ""

    @property
    def serves(self) -> bool:
        """Whether any of its pods takes requests."""
        return bool(self.ready if self.serving is None else self.serving)


@dataclass(frozen=True)
class Workload:
    """The baseline's workload of a released service. `revision` is a hash of its pod template without the
    image of the service's container, `image` that image; `replicas` are those that its autoscaler or owner
    wants. `settled`: all of its pods are of its newest template and ready. `least` and `most` are its
    autoscaler's bounds, 0 where it has none. `trouble` as for a copy; `held` says what of it forbids to write
    it, such as a Rollout that is paused."""

    revision: str
    image: str
    replicas: int
    settled: bool
    most: int = 0
    least: int = 0
    trouble: str = ""
    held: str = ""


class Opinion(StrEnum):
    GOOD = "good"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"
    NONE = "none"  # nothing was measured yet


@dataclass(frozen=True)
class Measured:
    """What the analysis says by now. `since`: for how many seconds it has been good without a break.
    `rows` are what people see: {metric, lane, baseline, opinion, message}; `state` is what the analysis
    wants to be given next time (counters, failures in a row), and is kept in the release's status."""

    opinion: Opinion = Opinion.NONE
    message: str = ""
    since: float = 0.0
    rows: tuple[Json, ...] = ()
    state: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """All that is true now. `copies` and `baseline` are by service; a service without a copy or workload is
    missing there. `lane`: there is a Lane object of it, and `drained`: no request can be on its way in it any
    more; `emptied`: none can be in the baseline any more, since all have been in the lane for so long.
    `refusal` is why the release cannot run at all (the entry is not attached, an unknown service, a lane that
    belongs to somebody else), empty where it can, and `refused` the machine's word for it. `ahead` is the
    release of the chain that runs before this one, empty where none does. `callers` are those who do not pass
    the entry, `warnings` what else people should know beforehand."""

    copies: Mapping[str, Copy] = field(default_factory=dict)
    baseline: Mapping[str, Workload] = field(default_factory=dict)
    lane: bool = False
    drained: bool = True
    emptied: bool = True
    refusal: str = ""
    refused: Reason = Reason.REFUSED
    ahead: str = ""
    callers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    measured: Measured = field(default_factory=Measured)


@dataclass(frozen=True)
class Patch:
    """A baseline workload that is to have an image, and its autoscaler that lower bound (None: whatever it
    has), only while its template is of that revision."""

    service: str
    image: str
    revision: str
    least: int | None = None


@dataclass(frozen=True)
class Decision:
    """What to do, in this order: the Release is held where `hold` says that it must not vanish, the lane is
    made so (None: it goes), the status is written (which is what moves requests), the baseline is patched; a
    Release that need not be held any more is let go last. `status` is the whole next status. `again`: after
    how many seconds to look again though nothing happens; None when only a change matters."""

    phase: Phase
    reason: Reason
    weight: int
    status: Json
    lane: tuple[Fixed, ...] | None
    patches: tuple[Patch, ...] = ()
    again: float | None = None
    hold: bool = False
