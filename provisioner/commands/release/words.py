"""What a release says of itself, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from provisioner.lane.model import moment
from provisioner.release.model import Phase, Reason, Release

Json = dict[str, Any]

_AT_THE_END = (Phase.FINISHING, Phase.RETURNING, Phase.RESTORING, Phase.SUCCEEDED)
_GOES_BACK = (Phase.RESTORING, Phase.ROLLING_BACK, Phase.ROLLED_BACK)
NOTHING = "no worker has looked at it yet; if that lasts, see what their log says"

_ASKS = (Reason.BASELINE_CHANGED, Reason.INCONCLUSIVE, Reason.PAUSED)


def origin(release: Release, now: datetime) -> str:
    """Where it comes from, since when, and what it changes."""
    images = ", ".join(f"{one.service}={one.image}" for one in release.changes)
    begun = f", begun {span(now, release.created)} ago" if release.created else ""
    return f"from {release.origin or 'images'}{begun}: {images}"


def steps(release: Release) -> Iterator[tuple[str, str]]:
    """Each step, and the baseline's change at the end: `done`, `now`, `failed` or `next`, and what to call
    it."""
    at = len(release.strategy.steps) if release.phase in _AT_THE_END else release.step
    for place, step in enumerate(release.strategy.steps):
        yield _mark(place, at, release), f"{step.weight}%"
    yield _mark(len(release.strategy.steps), at, release), "baseline"


def _mark(place: int, at: int, release: Release) -> str:
    if place < at or release.phase is Phase.SUCCEEDED:
        return "done"
    if place > at:
        return "next"
    return "failed" if release.phase in _GOES_BACK else "now"


def standing(release: Release, now: datetime) -> Iterator[tuple[str, str, str]]:
    """Lines of a label, a text and a style: its copies, what it waits for, its conditions, and whom it warns
    of."""
    told = release.status
    if copies := told.get("copies"):
        trouble = any(one.get("trouble") for one in copies)
        yield "copies", ", ".join(map(_copy, copies)), "red" if trouble else ""
    if not told:
        yield "now", NOTHING, "yellow"
    elif message := told.get("message", ""):
        yield _waits(release), f"{message}{_since(release, now)}", _tone(release)
    if conditions := told.get("conditions"):
        yield "is", ", ".join(f"{one['type']} {one['status']}" for one in conditions), "dim"
    if callers := told.get("callers"):
        met = "while the baseline changes these may meet both versions, since they do not pass the entry"
        yield "beware", f"{met}: {', '.join(callers)}", "yellow"
    for warning in told.get("warnings") or ():
        yield "beware", str(warning), "yellow"


def _copy(one: Json) -> str:
    why = one.get("trouble") or one.get("waits")
    return f"{one['name']} {one['ready']}/{one['wanted']} ready" + (f" ({why})" if why else "")


def _waits(release: Release) -> str:
    return "ended" if release.phase.over else "asks" if release.phase is Phase.PAUSED else "now"


def _since(release: Release, now: datetime) -> str:
    at = release.status.get("progressAt")
    return f" (for {span(now, moment(at))})" if at and not release.phase.over else ""


def _tone(release: Release) -> str:
    if release.phase in _GOES_BACK:
        return "red"
    return "yellow" if release.phase is Phase.PAUSED else ""


def measured(row: Json) -> tuple[str, str, str]:
    """A metric's name and its value in the release and in the baseline."""
    unit = str(row.get("unit", ""))
    return str(row["metric"]), _value(row.get("lane"), unit), _value(row.get("baseline"), unit)


def _value(number: float | None, unit: str) -> str:
    match number, unit:
        case None, _:
            return "-"
        case float() | int(), "ratio":
            return f"{100 * number:.4g} %"
        case float() | int(), "seconds":
            return f"{1000 * number:.3g} ms" if number < 1 else f"{number:.3g} s"
        case float() | int(), "per second":
            return f"{number:.3g}/s" if number < 100 else f"{number:.0f}/s"
    return f"{number:.4g}"


def judged(row: Json) -> str:
    """What the analysis thinks of it, and why where that is not good: what is good shows."""
    opinion, message = str(row.get("opinion", "")), str(row.get("message", ""))
    if opinion == "good":
        return opinion
    metric = str(row.get("metric", ""))  # its name stands in front already
    why = message.removeprefix(f"{metric}:").removeprefix(metric).strip()
    return ": ".join(part for part in (opinion.removeprefix("none"), why) if part)


def commands(release: Release) -> str:
    """What one can type next; empty when nothing helps."""
    of = f"{release.chain} {release.name}"
    goes_back = release.phase in _GOES_BACK or release.aborted
    if goes_back or release.phase in (Phase.RETURNING, Phase.SUCCEEDED):
        return ""
    if release.paused or release.reason in _ASKS:
        return f"laneway release resume {of}   or abort"
    if release.phase is Phase.FINISHING:
        return f"laneway release abort {of}"
    if release.phase is Phase.PAUSED:
        return f"laneway release promote {of}   or abort"
    return f"laneway release promote {of}   or pause, abort"


def news(before: Release | None, after: Release) -> list[str]:
    """What to say line by line where nothing can be drawn: what is new in the timeline, or at least that the
    release waits for something else."""
    known = {one["sequence"] for one in (before.status.get("timeline") or ())} if before else set()
    line = [one for one in after.status.get("timeline") or () if one["sequence"] not in known]
    told = [_entry(one) for one in line]
    if not told and (before is None or _says(before) != _says(after)):
        told = [f"{after.phase.value}, {after.weight} %: {_says(after)}"]
    return told


def _entry(one: Json) -> str:
    message = f": {one['message']}" if one.get("message") else ""
    return f"{one['at']} {one['event']} at {one['weight']} %{message}"


def _says(release: Release) -> str:
    return str(release.status.get("message", "")) if release.status else NOTHING


def clock(at: str) -> str:
    """The time of day of a stamp, in UTC."""
    return moment(at).strftime("%H:%M:%S")


def span(now: datetime, since: datetime) -> str:
    """`2h 5m`, `3m 20s` or `12s`: the two largest units."""
    minutes, seconds = divmod(max(0, int((now - since).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join([f"{count}{unit}" for count, unit in units if count][:2]) or "0s"
