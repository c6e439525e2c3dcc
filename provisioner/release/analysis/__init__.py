"""Whether a release is as good as its baseline: measured every so often while it has a share of the requests.

`measure` is the whole of it: it asks Prometheus, or the Envoys at the chain's entry, and gives an opinion.
What it has to know from one time to the next lies in the release's status, so any worker may do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from provisioner.chain.model import Chain
from provisioner.chain.strategy import LATENCY, SUCCESS_RATE, Analysis, Metric
from provisioner.lane.model import moment
from provisioner.release.analysis import sampling
from provisioner.release.analysis.counting import BASELINE, RELEASE, Book
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
SEEN = (Metric(RATE), Metric(SUCCESS_RATE), Metric(LATENCY))
_SEEN_ONLY = Analysis(metrics=())  # where a release has no analysis


def measure(release: Release, chain: Chain, world: World, now: datetime) -> Measured:
    """What the analysis of a release says at `now`. It measures anew only when the interval is over, and says
    again what it said last until then. Takes a few seconds at most, and raises nothing for what is down:
    that is inconclusive, and the message says what to do."""
    told = release.status.get("analysis") or {}
    memory = recall(told.get("state"))
    analysis = release.strategy.analysis or _SEEN_ONLY
    if not memory.due(analysis.interval, now):
        return _again(release, told, memory, now)
    taken = sampling.take(release, chain, analysis, world.cluster, memory, now)
    return concluded(release, analysis, taken, memory, now)


def concluded(release: Release, analysis: Analysis, taken: Taken, memory: Memory, now: datetime) -> Measured:
    """The opinion on what was measured, with all that went before. Pure."""
    still = (
        release.weight < ALL or memory.at is None
    )  # what was counted so far is from before the whole share
    begun = memory.begun or (now if release.weight else None)
    memory = replace(memory, at=now, begun=begun, counters=taken.book.to_json())
    findings = [_found(one, release, analysis, taken, memory, now) for one in analysis.metrics]
    opinion, message = conclude(analysis, findings) if release.weight else (Opinion.NONE, "")
    after = replace(
        memory,
        good=(memory.good or now) if opinion is Opinion.GOOD else None,
        streaks={one.metric.name: one.streak for one in findings},
        earlier={**memory.earlier, **(_at_baseline(findings, analysis.requests) if still else {})},
    )
    rows = (*(one.row() for one in findings), *_seen(analysis, taken))
    return Measured(opinion, message, after.since(_weighed(release), now), rows, after.to_json())


def _again(release: Release, told: Mapping[str, Any], memory: Memory, now: datetime) -> Measured:
    """What was said last, by now."""
    opinion = Opinion(told.get("opinion") or Opinion.NONE)
    rows, since = tuple(told.get("rows") or ()), memory.since(_weighed(release), now)
    return Measured(opinion, str(told.get("message") or ""), since, rows, dict(told["state"]))


def _found(
    metric: Metric, release: Release, analysis: Analysis, taken: Taken, memory: Memory, now: datetime
) -> Finding:
    """A metric's newest sample, and what it is worth while there are requests in the lane."""
    earlier = memory.earlier.get(metric.name) if release.weight >= ALL else None
    sample = replace(taken.samples[metric.name], earlier=earlier)
    verdict = Verdict(Opinion.NONE, "")
    if release.weight:
        verdict = eased(judge(metric, sample, analysis.requests), memory.early(analysis.window, now))
    return Finding(metric, sample, verdict, memory.streaks.get(metric.name, Streak()).after(verdict))


def _at_baseline(findings: list[Finding], least: int) -> dict[str, float]:
    """The baseline's values that enough requests are behind."""
    found = ((one.metric.name, one.sample.comparable(least)) for one in findings)
    return {name: value for name, value in found if value is not None}


def _seen(analysis: Analysis, taken: Taken) -> list[Json]:
    """What the Envoys at the entry counted, for people, where no metric says it already."""
    judged = {one.name for one in analysis.metrics if not one.query}
    nothing = Verdict(Opinion.NONE, "")
    shown = [] if taken.trouble else [one for one in SEEN if one.name not in judged]
    return [
        row(one, _rate(taken.book) if one.name == RATE else sampling.counted(one, taken.book, ""), nothing)
        for one in shown
    ]


def _rate(book: Book) -> Sample:
    """Requests per second of both sides."""
    seconds = book.seconds
    if not seconds:
        return Sample()
    return Sample(book.counted(RELEASE).total / seconds, book.counted(BASELINE).total / seconds)


def _weighed(release: Release) -> datetime | None:
    """Since when the share is as it is."""
    at = release.status.get("weightAt")
    return moment(at) if at else None
