"""The lanes above a lane: of a stacked pull request, those of the branches that it builds upon. Pure.

What they answer for is decided in `routing.lineage`, which walks the same line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provisioner.chain.model import Repository
from provisioner.lane.model import Lane, Member, Phase
from provisioner.routing.lineage import ANCESTORS


@dataclass(frozen=True)
class Family:
    """`ancestors` are the open lanes above a lane, nearest first; `cut` says in words why there is no further
    one where one is named, and is empty where none is."""

    ancestors: tuple[Lane, ...] = ()
    cut: str = ""

    def base(self, repository: Repository, member: Member) -> str:
        """The branch that a member's changes are to be told from: its parent's, as long as a pull request of
        that branch holds the parent open; else its repository's base."""
        held = [one for above in self.ancestors[:1] for one in above.members if not one.fork]
        same = (one for one in held if one.repository.lower() == member.repository.lower())
        return member.base if any(one.ref == member.base for one in same) else repository.base


def of(lane: Lane, find: Callable[[str], Lane | None]) -> Family:
    """The family of a lane. `find` gives the lane of a name, or None; it is asked for those above alone."""
    line: list[Lane] = []
    above = lane.parent
    while above:
        known = [lane.name, *(one.name for one in line)]
        if above in known:
            return Family(tuple(line), f"{above} is its own ancestor ({' > '.join([*known, above])})")
        if len(line) == ANCESTORS:
            return Family(tuple(line), f"{above} would be one more than the {ANCESTORS} that are asked")
        found = find(above)
        if found is None or not found.members or found.phase == Phase.TERMINATING:
            return Family(tuple(line), f"{above} is not open")
        line.append(found)
        above = found.parent
    return Family(tuple(line))
