"""Who may start, and who waits for room: the limits of a chain, decided from all its lanes. Pure.

| limit | what it bounds | when it is reached |
|---|---|---|
| `lifecycle.max_lanes` | lanes of the chain | the later ones wait |
| `lifecycle.max_per_author` | the chain's lanes with a pull request of one author | only that author's wait |
| `lifecycle.max_pods` | copies of the chain's lanes together | the later ones that have copies wait |
| `LANEWAY_MAX_LANES_TOTAL` | lanes of all chains | the later ones wait |

With `lifecycle.when_full: sleep` the lanes that sleep hold no place at all, so that putting the longest idle
one to sleep (`entrance`) makes room. One that wakes comes back beside those that were let in meanwhile:
nobody's request waits for a limit.

Who came first starts first: by the Lane's creation, then by name. A lane that is too big for what is left
holds up the later ones that have copies, or small ones would pass it for ever; one that is too big for the
whole budget holds up nobody. A lane that was let in stays in, also when it grows or when a limit is lowered.

Every run decides alone, from the same list, so no two lanes that see each other take one place. A lane that
was created in the same second as another and sorts before it, but after the other has looked, is let in
beside it: the limits are soft by such a pair. It mends itself, since nobody starts until there is room again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from provisioner.chain.model import Chain, WhenFull
from provisioner.lane.model import Lane, Phase


class Limit(StrEnum):
    """Why a lane waits; the same words in conditions, metrics and Events."""

    CHAIN = "ChainIsFull"
    AUTHOR = "AuthorHasEnough"
    TOTAL = "ClusterIsFull"
    PODS = "PodBudgetSpent"
    TOO_BIG = "LargerThanPodBudget"  # nothing but a larger budget, or a smaller change, helps


@dataclass(frozen=True)
class Holding:
    """What a lane takes, or wants, of the limits. `pods` is the number of its copies that have pods."""

    chain: str
    lane: str
    created: datetime
    admitted: bool
    authors: frozenset[str] = frozenset()
    pods: int = 0
    sleeps: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.chain, self.lane


@dataclass(frozen=True)
class Rules:
    """The limits of one chain; None: no limit."""

    lanes: int
    per_author: int | None = None
    pods: int | None = None
    sleepers_hold: bool = True  # whether lanes that sleep keep their places


@dataclass(frozen=True)
class Wait:
    """Why a lane does not start yet, and its place among those of its chain that wait, from 1."""

    limit: Limit
    message: str
    place: int = 0

    def __str__(self) -> str:
        if self.limit is Limit.TOO_BIG:
            return self.message
        return f"number {self.place} in the queue: {self.message}; it starts by itself when there is room"


def rules(chain: Chain) -> Rules:
    """The limits that a chain's file sets."""
    life = chain.lifecycle
    return Rules(life.max_lanes, life.max_per_author, life.max_pods, life.when_full is WhenFull.WAIT)


def holding(lane: Lane) -> Holding | None:
    """What a Lane of the cluster takes; None where it takes nothing and wants nothing: it ends before it was
    let in, or is a release's. One that is going counts until it is gone. One that sleeps has no pods."""
    admitted = is_admitted(lane)
    if lane.release or lane.created is None or not (admitted or lane.members):
        return None
    inside = sum(bool(one["inLane"]) for one in lane.status.get("services") or ())
    return Holding(
        lane.chain,
        lane.name,
        lane.created,
        admitted,
        frozenset(member.author for member in lane.members if member.author),
        0 if lane.phase == Phase.SLEEPING else inside,
        lane.phase == Phase.SLEEPING,
    )


def is_admitted(lane: Lane) -> bool:
    """Whether the lane was let in; it is never asked again."""
    return "admittedAt" in lane.status


def waiting(
    holdings: Iterable[Holding], chains: Mapping[str, Rules], total: int | None
) -> dict[tuple[str, str], Wait]:
    """The lanes that may not start now, by (chain, lane). Whoever is neither here nor admitted may start.
    Lanes of chains that `chains` does not name count towards `total` alone."""
    counter, queue = _Counter(chains, total), []
    for one in sorted(holdings, key=lambda one: (one.created, one.key)):
        if one.admitted:
            counter.take(one)
        elif one.chain in chains:
            queue.append(one)
    return counter.turn_away(queue)


class _Counter:
    """What is taken of each limit while the queue goes by."""

    def __init__(self, chains: Mapping[str, Rules], total: int | None) -> None:
        self._rules, self._total = chains, total
        self._lanes: Counter[str] = Counter()
        self._pods: Counter[str] = Counter()
        self._authors: Counter[tuple[str, str]] = Counter()
        self._held_up: set[str] = set()  # chains of which a lane waits for pods

    def take(self, one: Holding) -> None:
        if one.sleeps and one.chain in self._rules and not self._rules[one.chain].sleepers_hold:
            return
        self._lanes[one.chain] += 1
        self._pods[one.chain] += one.pods
        self._authors.update((one.chain, author) for author in one.authors)

    def turn_away(self, queue: Iterable[Holding]) -> dict[tuple[str, str], Wait]:
        found: dict[tuple[str, str], Wait] = {}
        places: Counter[str] = Counter()
        for one in queue:
            wait = self._lane_limit(one) or self._author_limit(one) or self._pod_limit(one)
            if wait is None:
                self.take(one)
                continue
            places[one.chain] += wait.limit is not Limit.TOO_BIG
            found[one.key] = replace(wait, place=places[one.chain])
        return found

    def _lane_limit(self, one: Holding) -> Wait | None:
        most, total = self._rules[one.chain].lanes, self._lanes.total()
        if self._lanes[one.chain] >= most:
            return Wait(Limit.CHAIN, f"chain {one.chain} has {self._lanes[one.chain]} of {most} lanes")
        if self._total is not None and total >= self._total:
            return Wait(Limit.TOTAL, f"all chains together have {total} of {self._total} lanes")
        return None

    def _author_limit(self, one: Holding) -> Wait | None:
        most = self._rules[one.chain].per_author
        if most is None:
            return None
        for author in sorted(one.authors):
            has = self._authors[one.chain, author]
            if has >= most:
                return Wait(Limit.AUTHOR, f"{author} has {has} of {most} lanes in chain {one.chain}")
        return None

    def _pod_limit(self, one: Holding) -> Wait | None:
        most = self._rules[one.chain].pods
        if most is None or one.pods == 0:
            return None
        if one.pods > most:
            return Wait(
                Limit.TOO_BIG,
                f"it wants {one.pods} pods, more than all lanes of chain {one.chain} may have ({most}); "
                "change fewer services, or raise lifecycle.max_pods",
            )
        taken = self._pods[one.chain]
        if taken + one.pods <= most and one.chain not in self._held_up:
            return None
        self._held_up.add(one.chain)
        message = f"it wants {one.pods} pods, and the lanes of chain {one.chain} have {taken} of {most}"
        return Wait(Limit.PODS, message)
