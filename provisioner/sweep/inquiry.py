"""Asks what is true of every chain's pull requests now: the ledgers, each repository's branches, its forge.

A repository that several chains list is asked once. One that does not answer, or whose forge does not, is
noted, and ends nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from provisioner.chain.model import Chain, Repository
from provisioner.errors import LanewayError
from provisioner.events import ForgeEvent
from provisioner.forges import ForgeError
from provisioner.lane import decision
from provisioner.lane.model import Lane
from provisioner.sweep.retention import Action, Facts, Finding, Pulls, Why
from provisioner.world import World

Heads = Mapping[str, str] | LanewayError
Listed = tuple[ForgeEvent, ...] | LanewayError

_UNKNOWN = {
    Why.UNREACHABLE: "nobody's branch counts as gone",
    Why.FORGE_UNREACHABLE: "nobody's pull request counts as closed",
}


class Inquiry:
    """`facts` are by chain, `listed` the pull requests that forges list as open, by chain. `old` counts the
    facts in each chain's ledger that are older than the settings keep them; `unreachable` has a finding for
    each repository or forge that did not answer. `alive` is called along the way. Raises ClusterError."""

    def __init__(self, chains: Mapping[str, Chain], world: World, alive: Callable[[], None]) -> None:
        self._chains, self._world, self._alive = chains, world, alive
        self._asked: dict[str, Heads] = {}
        self._asked_forge: dict[str, Listed] = {}
        self.facts: dict[str, Facts] = {}
        self.listed: dict[str, tuple[ForgeEvent, ...]] = {}
        self.old: dict[str, int] = {}
        self.unreachable: list[Finding] = []
        before = world.now() - timedelta(days=world.settings.tombstone_days)
        for chain in chains.values():
            self._ask(chain, before)

    def again(self, lanes: Iterable[Lane]) -> None:
        """Asks about these lanes once more: their repositories, those that answered the first time, and their
        forges for each pull request that was not listed."""
        suspects = list(lanes)
        named = {(lane.chain, one.repository.lower()) for lane in suspects for one in lane.members}
        for chain, name in sorted(named):
            repository, facts = self._chains[chain].repository(name), self.facts[chain]
            if repository is not None and not isinstance(facts.heads[name], LanewayError):
                heads = {**facts.heads, name: self._heads(repository)}
                self.facts[chain] = replace(facts, heads=heads)
        for lane in suspects:
            for member in lane.members:
                self._confirm(self._chains[lane.chain], member.repository.lower(), member.pull)

    def _ask(self, chain: Chain, before: datetime) -> None:
        ledger = self._world.ledger(chain).read_all()
        if old := sum(at < before for at in ledger.keys.values()):
            self.old[chain.name] = old
        for repository in chain.repositories:
            if repository.url not in self._asked:
                self._asked[repository.url] = heads = self._heads(repository)
                if isinstance(heads, LanewayError):
                    self._note(chain, repository, Why.UNREACHABLE, heads)
            if repository.url not in self._asked_forge and self._world.forges.knows(repository):
                self._asked_forge[repository.url] = listed = self._list(repository)
                if isinstance(listed, LanewayError):
                    self._note(chain, repository, Why.FORGE_UNREACHABLE, listed)
        heads_by_name = {one.name.lower(): self._asked[one.url] for one in chain.repositories}
        self.facts[chain.name] = Facts(ledger.tombstones, heads_by_name, self._pulls(chain))

    def _pulls(self, chain: Chain) -> dict[str, Pulls | LanewayError]:
        """Of each repository whose forge can be asked, what may hold a lane of the chain."""
        found: dict[str, Pulls | LanewayError] = {}
        wanted: list[ForgeEvent] = []
        for repository in chain.repositories:
            listed = self._asked_forge.get(repository.url)
            if isinstance(listed, LanewayError):
                found[repository.name.lower()] = listed
            elif listed is not None:
                open_here = [one for one in listed if decision.asks_for_lane(one, chain)]
                found[repository.name.lower()] = Pulls(frozenset(one.pull for one in open_here))
                wanted += open_here
        self.listed[chain.name] = tuple(wanted)
        return found

    def _confirm(self, chain: Chain, name: str, number: int) -> None:
        """Asks about a pull request that its forge did not list: a list is no proof of absence."""
        repository, facts = chain.repository(name), self.facts[chain.name]
        pulls = facts.pulls.get(name)
        if repository is None or not isinstance(pulls, Pulls) or number in pulls.open | pulls.closed:
            return
        told = self._tell_of(chain, repository, pulls, number)
        self.facts[chain.name] = replace(facts, pulls={**facts.pulls, name: told})

    def _tell_of(
        self, chain: Chain, repository: Repository, pulls: Pulls, number: int
    ) -> Pulls | LanewayError:
        self._alive()
        try:
            found = self._world.forges.pull(repository, number)
        except LanewayError as error:
            self._note(chain, repository, Why.FORGE_UNREACHABLE, error)
            return error
        if found is None:
            return pulls
        if decision.asks_for_lane(found, chain):
            return replace(pulls, open=pulls.open | {number})
        return replace(pulls, closed=pulls.closed | {number})

    def _heads(self, repository: Repository) -> Heads:
        self._alive()
        try:
            return self._world.repositories.heads(repository)
        except LanewayError as error:
            return error

    def _list(self, repository: Repository) -> Listed:
        self._alive()
        try:
            return self._world.forges.open_pulls(repository)
        except ForgeError as error:
            return error

    def _note(self, chain: Chain, repository: Repository, why: Why, problem: LanewayError) -> None:
        message = f"{_UNKNOWN[why]}: {problem}"
        self.unreachable.append(Finding(Action.KEEP, why, chain.name, "", repository.name, message))
