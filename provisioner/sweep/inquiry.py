"""Asks what is true of every chain's pull requests now: the ledgers, and each repository's branches.

A repository that several chains list is asked once. One that does not answer is noted, and ends nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from provisioner.chain.model import Chain, Repository
from provisioner.errors import LanewayError
from provisioner.lane.model import Lane
from provisioner.sweep.retention import Action, Facts, Finding, Why
from provisioner.world import World

Heads = Mapping[str, str] | LanewayError


class Inquiry:
    """`facts` are by chain. `old` counts the facts in each chain's ledger that are older than the settings
    keep them; `unreachable` has a finding for each repository that did not answer. `alive` is called along
    the way. Raises ClusterError."""

    def __init__(self, chains: Mapping[str, Chain], world: World, alive: Callable[[], None]) -> None:
        self._chains, self._world, self._alive = chains, world, alive
        self._asked: dict[str, Heads] = {}
        self.facts: dict[str, Facts] = {}
        self.old: dict[str, int] = {}
        self.unreachable: list[Finding] = []
        before = world.now() - timedelta(days=world.settings.tombstone_days)
        for chain in chains.values():
            self._ask(chain, before)

    def again(self, lanes: Iterable[Lane]) -> None:
        """Asks the repositories of these lanes' members once more, those that answered the first time."""
        named = {(lane.chain, one.repository.lower()) for lane in lanes for one in lane.members}
        for chain, name in sorted(named):
            repository, facts = self._chains[chain].repository(name), self.facts[chain]
            if repository is not None and not isinstance(facts.heads[name], LanewayError):
                heads = {**facts.heads, name: self._heads(repository)}
                self.facts[chain] = replace(facts, heads=heads)

    def _ask(self, chain: Chain, before: datetime) -> None:
        ledger = self._world.ledger(chain).read()
        if old := sum(at < before for at in ledger.keys.values()):
            self.old[chain.name] = old
        for repository in chain.repositories:
            if repository.url not in self._asked:
                self._asked[repository.url] = heads = self._heads(repository)
                self._note(chain, repository, heads)
        heads_by_name = {one.name.lower(): self._asked[one.url] for one in chain.repositories}
        self.facts[chain.name] = Facts(ledger.tombstones, heads_by_name)

    def _heads(self, repository: Repository) -> Heads:
        self._alive()
        try:
            return self._world.repositories.heads(repository)
        except LanewayError as error:
            return error

    def _note(self, chain: Chain, repository: Repository, heads: Heads) -> None:
        if isinstance(heads, LanewayError):
            message = f"nobody's branch counts as gone: {heads}"
            self.unreachable.append(
                Finding(Action.KEEP, Why.UNREACHABLE, chain.name, "", repository.name, message)
            )
