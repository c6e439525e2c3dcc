"""Whether a release is as good as its baseline: measured every so often while it has a share of the requests.

`measure` is the whole of it: it asks Prometheus, or the Envoys at the chain's entry, and gives an opinion.
What it has to know from one time to the next lies in the release's status, so any worker may do it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner.chain.model import Chain
from provisioner.chain.strategy import LATENCY, SUCCESS_RATE, Analysis, Metric
from provisioner.lane.model import moment
from provisioner.release.analysis import sampling
from provisioner.release.analysis.counting import BASELINE, RELEASE
from provisioner.release.analysis.judging import (
    RATE,
    Finding,
    Sample,
    Streak,
    Verdict,
    conclude,
    eased,
    judge,
    row,
)
from provisioner.release.analysis.memory import Memory, recall
from provisioner.release.analysis.sampling import Taken
from provisioner.release.model import Release
from provisioner.release.observed import Measured, Opinion
from provisioner.world import World

Json = dict[str, Any]

ALL = 100  # percent: the baseline gets nothing of the entry's requests then
BUILT_IN = (Metric(SUCCESS_RATE), Metric(LATENCY))
NOTHING = Verdict(Opinion.NONE, "")
_SEEN_ONLY = Analysis(metrics=())  # where a release has no analysis


def measure(release: Release, chain: Chain, world: World, now: datetime) -> Measured:
    """What the analysis of a release says at `now`. It measures anew only when the interval is over, and says
    again what it said last until then. Takes a few seconds at most, and raises nothing for what is down:
    that is inconclusive, and the message says what to do."""
    memory = recall((release.status.get("analysis") or {}).get("state"))
    analysis = release.strategy.analysis or _SEEN_ONLY
    if not memory.due(analysis.interval, now):
        return _again(release, memory, now)
    taken = sampling.take(release, chain, analysis, world.cluster, memory, now)
    return concluded(Look(release, analysis, taken, memory, now))


@dataclass(frozen=True)
class Look:
    """One measurement of a release, and all that went before it."""

    release: Release
    analysis: Analysis
    taken: Taken
    memory: Memory
    now: datetime

    @property
    def findings(self) -> list[Finding]:
        return [self._finding(one) for one in self.analysis.metrics]

    def _finding(self, metric: Metric) -> Finding:
        """A metric's newest sample, and what it is worth while there are requests in the lane."""
        memory, weight = self.memory, self.release.weight
        earlier = memory.earlier.get(metric.name) if weight >= ALL else None
        sample = replace(self.taken.samples[metric.name], earlier=earlier)
        verdict = NOTHING
        if weight:
            early = memory.early(self.analysis.window, self.now)
            verdict = eased(judge(metric, sample, self.analysis.requests), early)
        return Finding(metric, sample, verdict, memory.streaks.get(metric.name, Streak()).after(verdict))

    def at_baseline(self, findings: Iterable[Finding]) -> dict[str, float]:
        """The baseline's last values that enough requests are behind, from when the entry sent it some: what
        is read first was counted before the whole share, even if that is what the release begins with."""
        known = dict(self.memory.earlier)
        if self.release.weight < ALL or self.memory.at is None:
            found = {one.metric.name: one.sample.comparable(self.analysis.requests) for one in findings}
            known |= {name: value for name, value in found.items() if value is not None}
        return known

    def seen(self) -> list[Json]:
        """What is only to be seen: what the Envoys at the entry counted, where no metric says it already; or
        how many requests a mesh counted."""
        named = {one.name for one in self.analysis.metrics}
        samples: dict[str, Sample | None] = {RATE: _rate(self.taken, self.analysis)}
        if not self.taken.trouble:
            samples |= {one.name: sampling.counted(one, self.taken.book, "") for one in BUILT_IN}
        return [row(Metric(name), one, NOTHING) for name, one in samples.items() if one and name not in named]


def concluded(look: Look) -> Measured:
    """The opinion on what was measured. Pure."""
    weight, now = look.release.weight, look.now
    findings = look.findings
    opinion, message = conclude(look.analysis, findings) if weight else (Opinion.NONE, "")
    after = replace(
        look.memory,
        at=now,
        begun=look.memory.begun or (now if weight else None),
        good=(look.memory.good or now) if opinion is Opinion.GOOD else None,
        streaks={one.metric.name: one.streak for one in findings},
        earlier=look.at_baseline(findings),
        counters=look.taken.book.to_json(),
    )
    rows = (*(one.row() for one in findings), *look.seen())
    return Measured(opinion, message, after.since(_weighed(look.release), now), rows, after.to_json())


def _again(release: Release, memory: Memory, now: datetime) -> Measured:
    """What was said last, by now."""
    told = release.status["analysis"]
    said = str(told.get("opinion"))
    opinion = Opinion(said) if said in list(Opinion) else Opinion.NONE
    rows, since = tuple(told.get("rows") or ()), memory.since(_weighed(release), now)
    return Measured(opinion, str(told.get("message") or ""), since, rows, dict(told["state"]))


def _rate(taken: Taken, analysis: Analysis) -> Sample | None:
    """Requests per second of both sides; None where nobody has counted them yet."""
    if not taken.trouble:
        seconds = taken.book.seconds
        lane, baseline = (taken.book.counted(side).total for side in (RELEASE, BASELINE))
        return Sample(lane / seconds, baseline / seconds) if seconds else None
    window = analysis.window.total_seconds()
    for one in taken.samples.values():
        if one.requests is not None and one.compared is not None:
            return Sample(one.requests / window, one.compared / window)
    return None


def _weighed(release: Release) -> datetime | None:
    """Since when the share is as it is."""
    at = release.status.get("weightAt")
    return moment(at) if at else None
