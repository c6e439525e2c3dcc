"""Which workloads of the baseline are helped on to the image that they have. Pure.

Only what the release itself has begun is: a workload that somebody else has edited meanwhile goes its owner's
way, and the release waits or goes back. Where the baseline's owner does the writing, nothing is.
"""

from __future__ import annotations

from provisioner.chain.strategy import Finish
from provisioner.release.model import Phase, Release
from provisioner.release.observed import Decision, Seen


def due(release: Release, decision: Decision, seen: Seen) -> frozenset[str]:
    """The services whose workloads are on the way to where the release wants them."""
    if release.strategy.finish is Finish.WAIT:
        return frozenset()
    kept = {one["name"]: one for one in decision.status.get("originals") or ()}
    found = ((name, live, kept[name]) for name, live in seen.baseline.items() if name in kept)
    if decision.phase is Phase.RESTORING:
        return frozenset(name for name, live, one in found if live.image == one["image"])
    if decision.phase is not Phase.FINISHING:
        return frozenset()
    wanted = {change.service: change.image for change in release.changes}
    return frozenset(
        name
        for name, live, one in found
        if live.image == wanted.get(name) and live.revision == one["revision"]
    )
