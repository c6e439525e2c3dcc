"""What a person may wish of a release that runs: each wish gives the Release with its spec changed. Pure.

A wish that it fulfils already gives the release as it is. One that it cannot fulfil any more is an InputError
that says why, and what to do instead.
"""

from __future__ import annotations

from dataclasses import replace

from provisioner.errors import InputError
from provisioner.release.model import Phase, Reason, Release

BY_HAND = "aborted by hand"

_GOES_BACK = (Phase.RESTORING, Phase.ROLLING_BACK)
_HAS_ALL = (Phase.FINISHING, Phase.RETURNING)


def promote(release: Release, *, full: bool = False) -> Release:
    """It goes on to its next step, or with `full` through all of them, without waiting for a person, for a
    pause's end or for an analysis. It still waits until each step's copies are ready."""
    _running(release, "promoted")
    if release.phase in _HAS_ALL:
        raise _refused(release, "all requests are in it already, and the baseline takes its images")
    upto = len(release.strategy.steps) if full else release.step + 1
    anew = 1 if release.reason == Reason.INCONCLUSIVE else 0
    return replace(
        release, promoted=max(release.promoted, upto), paused=False, resumed=release.resumed + anew
    )


def pause(release: Release) -> Release:
    """Its share stays as it is until somebody resumes it."""
    _running(release, "paused")
    if release.phase in _HAS_ALL:
        raise _refused(release, "it cannot be paused: the baseline takes its images by now")
    return replace(release, paused=True)


def resume(release: Release) -> Release:
    """It goes on: from a pause by hand; after its baseline changed, with the baseline as it is now; after an
    analysis that came to nothing, with a new one; in a step that waits for somebody, to the next one."""
    _running(release, "resumed")
    goes_on = replace(release, paused=False, resumed=release.resumed + 1)
    match release.reason:
        case Reason.BASELINE_CHANGED:
            return replace(goes_on, accepted=str(release.status.get("found", "")))
        case Reason.INCONCLUSIVE:
            return goes_on
        case Reason.MANUAL:
            return replace(goes_on, promoted=max(release.promoted, release.step + 1))
    if not release.paused:
        raise _refused(release, "it is not paused")
    return goes_on


def abort(release: Release, why: str = "") -> Release:
    """Everybody gets the version of before, and the release ends."""
    if release.aborted and not release.phase.over:
        return release
    _running(release, "aborted")
    if release.phase is Phase.RETURNING:
        what = "the baseline has its images by now; to go back, start a release with those of before"
        raise _refused(release, f"it cannot be aborted any more: {what}")
    return replace(release, aborted=why.strip() or BY_HAND)


def _running(release: Release, what: str) -> None:
    if release.phase.over:
        raise _refused(release, f"it is over ({release.phase.value}) and cannot be {what}")
    if release.phase in _GOES_BACK or release.aborted:
        raise _refused(release, f"it goes back to the version of before and cannot be {what}")


def _refused(release: Release, why: str) -> InputError:
    return InputError(why, where=f"release {release.name} of chain {release.chain}")
