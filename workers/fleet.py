"""What beat knows of the lanes: which there are, what each holds, who waits for room, and who is tired. Pure,
not shared.

It is told of Lanes as they are watched, so it may be a moment behind; whatever it says is a reason to look at
a lane, never a decision about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from provisioner.chain.model import Chain
from provisioner.lane import admission, sleeping
from provisioner.lane import model as lane
from provisioner.lane.admission import Holding, Limit, Rules
from provisioner.lane.model import Phase
from provisioner.lane.sleeping import Signs
from workers.relevance import OneLane

Json = dict[str, Any]

Lends = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]

TOLD_PLACES = 10  # how many of those that wait have their place in the queue kept current


@dataclass(frozen=True)
class Known:
    """A lane as its object said last. `derived` is the baseline's revision of each service that is in the
    lane, empty where it has no copy yet; None: not known. `waits` is what a lane over a limit says."""

    phase: str = ""
    holding: Holding | None = None
    derived: Mapping[str, str] | None = None
    waits: str = ""
    closing: bool = False
    signs: Signs | None = None  # of its sleep
    parent: str = ""
    lends: Lends | None = None


@dataclass
class Fleet:
    """The lanes of all chains."""

    _lanes: dict[OneLane, Known] = field(default_factory=dict)
    _baselines: dict[tuple[str, str], str] = field(default_factory=dict)  # chain, service: revision
    _told: dict[OneLane, str] = field(default_factory=dict)
    _stirred: dict[OneLane, Signs] = field(default_factory=dict)
    _children: dict[OneLane, set[OneLane]] = field(default_factory=dict)  # by parent, which need not exist
    _stale: bool = False
    _rules: Mapping[str, Rules] = field(default_factory=dict)

    def note(self, obj: Json) -> bool:
        """A Lane came or changed. Whether it has a copy that is new to this fleet, and derived from another
        revision of the baseline than the one noted: its run had read the baseline before that changed."""
        which, now = _of(obj), _known(obj)
        known = self._lanes.get(which, Known())
        before = known.derived or {}
        self._adopt(which, known.parent, now.parent)
        self._lanes[which] = now
        self._stale |= replace(known, signs=now.signs) != now
        return any(
            name not in before and revision and revision != self._baselines.get((which.chain, name), revision)
            for name, revision in (now.derived or {}).items()
        )

    def forget(self, obj: Json) -> None:
        """A Lane is gone."""
        self._adopt(_of(obj), self._lanes.pop(_of(obj), Known()).parent, "")
        self._told.pop(_of(obj), None)
        self._stirred.pop(_of(obj), None)
        self._stale = True

    def note_baseline(self, chain: str, services: Collection[str], revision: str) -> None:
        """The workload of these services has that revision."""
        self._baselines.update({(chain, name): revision for name in services})

    def is_open(self, lane: OneLane) -> bool:
        """Whether the lane is there to stay; in one that closes, things go by themselves."""
        known = self._lanes.get(lane)
        return known is not None and not known.closing

    def of_chain(self, chain: str) -> list[OneLane]:
        """All lanes of a chain."""
        return sorted((one for one in self._lanes if one.chain == chain), key=str)

    def descendants(self, lane: OneLane) -> list[OneLane]:
        """The lanes that have this one as their parent, those that have one of them, and so on."""
        found, line = {lane}, [lane]
        while line:
            below = self._children.get(line.pop(), set()) - found
            line += below
            found |= below
        return sorted(found - {lane}, key=str)

    def lends(self, lane: OneLane) -> Lends | None:
        """What the lanes below a lane build upon; it differs when they have to be looked at again."""
        known = self._lanes.get(lane)
        return known.lends if known else None

    def _adopt(self, lane: OneLane, before: str, now: str) -> None:
        """A lane has another parent."""
        old = OneLane(lane.chain, before)
        if before and old in self._children:
            self._children[old].discard(lane)
            if not self._children[old]:
                del self._children[old]
        if now:
            self._children.setdefault(OneLane(lane.chain, now), set()).add(lane)

    def holders(self, chain: str, services: Collection[str]) -> list[OneLane]:
        """The lanes of a chain that have one of these services, or of which that is not known."""
        return [
            one
            for one in self.of_chain(chain)
            if (derived := self._lanes[one].derived) is None or not derived.keys().isdisjoint(services)
        ]

    def phases(self) -> Counter[tuple[str, str]]:
        """How many lanes of each chain are in each phase."""
        return Counter((one.chain, known.phase or Phase.PENDING) for one, known in self._lanes.items())

    def retell(self) -> None:
        """Has `turns` name again those that it named and that have not moved since: whoever looked at them
        may have had an older chain file."""
        self._told.clear()
        self._stale = True

    def restless(self, chains: Mapping[str, Chain], now: datetime) -> list[OneLane]:
        """The lanes that sleep and should not, or should and do not."""
        return [one for one in self._lanes if self.stirs(one, chains, now)]

    def stirs(self, one: OneLane, chains: Mapping[str, Chain], now: datetime) -> bool:
        """Whether a lane is such a one. It is said once, until the lane shows other signs: whoever looks at
        it knows when to look again."""
        signs = self._lanes[one].signs
        calls = signs is not None and one.chain in chains and signs.call_for_change(chains[one.chain], now)
        if signs is None or not calls:
            self._stirred.pop(one, None)
            return False
        known, self._stirred[one] = self._stirred.get(one), signs
        return known != signs

    def turns(self, rules: Mapping[str, Rules], total: int | None) -> list[OneLane]:
        """The waiting lanes that have to be looked at: for which there is room now, or of which the place in
        the queue, near its head, is another. Each is named once."""
        if not self._stale and rules == self._rules:
            return []
        self._stale, self._rules = False, rules
        holdings = [known.holding for known in self._lanes.values() if known.holding]
        turned_away = admission.waiting(holdings, rules, total)
        return [
            one for one in self._waiting(rules) if self._is_news(one, turned_away.get((one.chain, one.lane)))
        ]

    def _waiting(self, rules: Mapping[str, Rules]) -> list[OneLane]:
        return [one for one, known in self._lanes.items() if one.chain in rules and known.waits]

    def _is_news(self, one: OneLane, wait: admission.Wait | None) -> bool:
        if wait is not None and wait.place > TOLD_PLACES:
            return False
        now = str(wait or "")
        known, self._told[one] = self._told.get(one), now
        return now not in (known, self._lanes[one].waits)


def _of(obj: Json) -> OneLane:
    return OneLane(obj["spec"]["chain"], obj["spec"]["lane"])


def _known(obj: Json) -> Known:
    found = lane.Lane.from_object(obj)
    services = found.status.get("services")
    derived = (
        None
        if services is None
        else {
            one["name"]: (one.get("baseline") or {}).get("revision", "") for one in services if one["inLane"]
        }
    )
    conditions = found.status.get("conditions") or ()
    limited = (one for one in conditions if one["type"] == "Ready" and one["reason"] in set(Limit))
    waits = next((str(one.get("message", "")) for one in limited), "")
    holding, signs = admission.holding(found), sleeping.signs(found)
    lends = _lends(found)
    return Known(found.phase, holding, derived, waits, not found.wanted, signs, found.parent, lends)


def _lends(found: lane.Lane) -> Lends | None:
    """Its own parent, where its branches are, and who answers at its services."""
    if not found.members or found.phase == Phase.TERMINATING:
        return None
    services = found.status.get("services") or ()
    routes = tuple((one["name"], str(one.get("route"))) for one in services)
    return found.parent, tuple((one.key, one.sha) for one in found.members), routes
