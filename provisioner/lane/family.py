"""The lanes above a lane: of a stacked pull request, those of the branches that it builds upon. Pure.

What they answer for is decided in `routing.lineage`, which walks the same line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioner.chain.model import Repository
from provisioner.lane.model import Lane, Member, Phase
from provisioner.routing import lineage


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

    def find_open(name: str) -> Lane | None:
        found = find(name)
        return found if found and found.members and found.phase != Phase.TERMINATING else None

    line, beyond = lineage.line(lane.name, lane.parent, find_open)
    return Family(tuple(line.values()), _cut([lane.name, *line], beyond))


def _cut(line: Sequence[str], beyond: str) -> str:
    if not beyond:
        return ""
    if beyond in line:
        return f"{beyond} is its own ancestor ({' > '.join([*line, beyond])})"
    if len(line) > lineage.ANCESTORS:
        return f"{beyond} would be one more than the {lineage.ANCESTORS} that are asked"
    return f"{beyond} is not open"
