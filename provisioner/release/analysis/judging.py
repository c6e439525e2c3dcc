"""Judges what was measured of a release's lane, beside its baseline over the same time. Pure.

A `Sample` is one measurement of one metric, and `judge` says what that is worth by itself. `Streak` counts
how often in a row it was bad or said nothing, and `conclude` makes one opinion of all metrics. What is no
number (nothing, NaN, infinite) is never good and never bad: it is inconclusive, and so is a number that too
few requests are behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.chain.strategy import LATENCY, SUCCESS_RATE, Analysis, Metric
from provisioner.release.observed import Opinion

Json = dict[str, Any]

RATE = "requests"  # per second; only to be seen
UNITS = {SUCCESS_RATE: "ratio", LATENCY: "seconds", RATE: "per second"}


@dataclass(frozen=True)
class Sample:
    """One measurement. None is a side without a value; `requests` is how many are behind the lane's value and
    `compared` how many behind the baseline's, None where nobody counts them. `trouble` says why nothing could
    be measured and what to do, `beside` why the baseline could not; empty where it could. `earlier` is the
    baseline's last value, for when the entry sends nothing there any more."""

    lane: float | None = None
    baseline: float | None = None
    requests: float | None = None
    compared: float | None = None
    trouble: str = ""
    beside: str = ""
    earlier: float | None = None

    def comparable(self, least: int) -> float | None:
        """The baseline's value, if it is a number that enough requests are behind."""
        return None if _lack("", self.baseline, self.compared, least) else self.baseline


@dataclass(frozen=True)
class Verdict:
    """What a sample is worth. `thin`: it says nothing only because there is little to see so far."""

    opinion: Opinion
    message: str
    thin: bool = False


@dataclass(frozen=True)
class Streak:
    """How often in a row a metric was bad, and how often it said nothing."""

    failures: int = 0
    inconclusive: int = 0

    def after(self, verdict: Verdict) -> Streak:
        """What says nothing breaks no row of failures; what is early counts as nothing at all."""
        match verdict.opinion:
            case Opinion.GOOD:
                return Streak()
            case Opinion.BAD:
                return Streak(self.failures + 1, 0)
            case Opinion.INCONCLUSIVE:
                return Streak(self.failures, self.inconclusive + 1)
            case Opinion.NONE:
                return self


@dataclass(frozen=True)
class Finding:
    """One metric by now: the newest sample and its verdict, and the streak that the verdict is part of."""

    metric: Metric
    sample: Sample
    verdict: Verdict
    streak: Streak

    def row(self) -> Json:
        """For people."""
        return row(self.metric, self.sample, self.verdict)


def row(metric: Metric, sample: Sample, verdict: Verdict) -> Json:
    """What people see of a metric; only numbers that JSON can say."""
    return {
        "metric": metric.name,
        "lane": _finite(sample.lane),
        "baseline": _finite(sample.baseline),
        "unit": "" if metric.query else UNITS.get(metric.name, ""),
        "opinion": verdict.opinion.value,
        "message": verdict.message,
    }


def judge(metric: Metric, sample: Sample, least: int) -> Verdict:
    """What one sample is worth, with at least `least` requests on each side that is looked at."""
    if sample.trouble:
        return Verdict(Opinion.INCONCLUSIVE, sample.trouble)
    lacks = _lack("the lane", sample.lane, sample.requests, least)
    if lacks or sample.lane is None:
        return _thin(metric, lacks)
    if broken := _bound(metric, sample.lane):
        return Verdict(Opinion.BAD, broken)
    if metric.worse is None:
        return Verdict(Opinion.GOOD, _said(metric, sample.lane))
    return _beside(metric, metric.worse, sample.lane, sample, least)


def eased(verdict: Verdict, early: bool) -> Verdict:
    """The verdict, which is none yet where there may just not have been enough to see so far."""
    return Verdict(Opinion.NONE, verdict.message) if early and verdict.thin else verdict


def conclude(analysis: Analysis, findings: Sequence[Finding]) -> tuple[Opinion, str]:
    """One opinion of all metrics, and why. Bad and inconclusive are opinions once they are no longer borne;
    until then, as before the first sample, there is none."""
    if failed := [one for one in findings if one.streak.failures > analysis.failures]:
        return Opinion.BAD, _told(failed, Opinion.BAD)
    if unclear := [one for one in findings if one.streak.inconclusive > analysis.inconclusive]:
        return Opinion.INCONCLUSIVE, _told(unclear, Opinion.INCONCLUSIVE)
    if findings and all(one.verdict.opinion is Opinion.GOOD for one in findings):
        return Opinion.GOOD, "; ".join(one.verdict.message for one in findings)
    return Opinion.NONE, "; ".join(
        _borne(one, analysis) for one in findings if one.verdict.opinion is not Opinion.GOOD
    )


def shown(metric: str, value: float) -> str:
    """A value as people read it: percent for a rate of success, seconds for a latency."""
    if metric == SUCCESS_RATE:
        return f"{100 * value:.4g} %"
    return f"{value:.3g} s" if metric == LATENCY else f"{value:.4g}"


def smaller_is_worse(metric: Metric) -> bool:
    """Which way a metric gets worse: what has a lower bound alone, down; everything else up."""
    if not metric.query:
        return metric.name == SUCCESS_RATE
    return metric.minimum is not None and metric.maximum is None


def _beside(metric: Metric, allowed: float, value: float, sample: Sample, least: int) -> Verdict:
    """Compared with the baseline over the same time, or with its last value where it has no requests now."""
    if sample.beside:
        return Verdict(Opinion.INCONCLUSIVE, sample.beside)
    lacks = _lack("the baseline", sample.baseline, sample.compared, least)
    other, whose = (sample.earlier, "the baseline's last") if lacks else (sample.baseline, "the baseline's")
    if other is None:
        return _thin(metric, lacks)
    by = other - value if smaller_is_worse(metric) else value - other
    told = f"{_said(metric, value)}, {whose} {shown(metric.name, other)}"
    if by <= allowed:
        return Verdict(Opinion.GOOD, told)
    limit = f"worse by {shown(metric.name, by)}, {shown(metric.name, allowed)} is allowed"
    return Verdict(Opinion.BAD, f"{told}: {limit}")


def _bound(metric: Metric, value: float) -> str:
    """Which bound of its own the value breaks; empty where none."""
    if metric.minimum is not None and value < metric.minimum:
        return f"{_said(metric, value)} is below its minimum of {shown(metric.name, metric.minimum)}"
    if metric.maximum is not None and value > metric.maximum:
        return f"{_said(metric, value)} is above its maximum of {shown(metric.name, metric.maximum)}"
    return ""


def _lack(whose: str, value: float | None, requests: float | None, least: int) -> str:
    """Why a side says nothing; empty where it does."""
    if requests is not None and requests < least:
        return f"{whose} had {requests:.0f} of the {least} requests that it takes to tell"
    if value is None:
        return f"no data of {whose}"
    return "" if math.isfinite(value) else f"{whose} measures {value}, which is no number to compare"


def _thin(metric: Metric, lacks: str) -> Verdict:
    return Verdict(Opinion.INCONCLUSIVE, f"{metric.name}: {lacks}", thin=True)


def _said(metric: Metric, value: float) -> str:
    return f"{metric.name} {shown(metric.name, value)}"


def _told(findings: Iterable[Finding], opinion: Opinion) -> str:
    return "; ".join(_repeated(one, opinion) for one in findings)


def _repeated(one: Finding, opinion: Opinion) -> str:
    times = one.streak.failures if opinion is Opinion.BAD else one.streak.inconclusive
    return one.verdict.message + (f" ({times} times in a row)" if times > 1 else "")


def _borne(one: Finding, analysis: Analysis) -> str:
    match one.verdict.opinion:
        case Opinion.BAD:
            return f"{one.verdict.message} ({one.streak.failures} of {analysis.failures} borne in a row)"
        case Opinion.INCONCLUSIVE:
            count = one.streak.inconclusive
            return f"{one.verdict.message} ({count} of {analysis.inconclusive} borne in a row)"
        case _:
            return one.verdict.message


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
