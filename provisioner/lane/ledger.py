"""What must outlive a lane: which pull requests were closed, and which forks wait for an approval.

Kept in ConfigMaps `ledger-CHAIN.N` in Laneway's own namespace (`facts` says which has what), written by merge
patches of single keys: two writers never undo each other and nothing has to be read before it is written. An
older closing can never hide a newer one. `prune` bounds a ledger by age; what would make it too large takes
the place of the oldest.

All ConfigMaps of a chain are made together, at its first event, so that no later lane pays for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from provisioner import labels
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConflictError
from provisioner.events import ForgeEvent
from provisioner.lane import facts
from provisioner.lane.facts import SHARDS, Facts

Json = dict[str, Any]
Entries = Mapping[str, str]

log = structlog.get_logger()


class Ledger:
    """The ledger of one chain. Everything here raises LanewayError when the cluster refuses or is away."""

    def __init__(self, cluster: Cluster, namespace: str, chain: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.chain = chain

    def read(self, lane: str) -> Facts:
        """What concerns a lane, and some others: one request. Makes the ledger where there is none, so that
        closing the first lane costs no more than closing another."""
        shard = facts.shard_of(lane)
        found = self._data(self._shard(shard))
        if found is None:
            self._make_all()
        return facts.read(found or {})

    def read_all(self) -> Facts:
        """What concerns any lane: a request for each shard; writes nothing."""
        found = (self._data(self._shard(one)) or {} for one in range(SHARDS))
        return facts.read({key: text for data in found for key, text in data.items()})

    def bury(self, lane: str, member: str, at: datetime) -> None:
        """Notes that a pull request of the lane was closed, or its branch ended, at the forge's time `at`."""
        self.bury_all({(lane, member): at})

    def bury_all(self, endings: Mapping[tuple[str, str], datetime]) -> None:
        """As `bury`, by lane and member, for several at once: a request for each shard that is concerned."""
        entries: dict[int, dict[str, str]] = {}
        for (lane, member), at in endings.items():
            entries.setdefault(facts.shard_of(lane), {}).update(facts.tombstone(member, at))
        for shard, noted in entries.items():
            self._write(shard, noted)

    def wait(self, lane: str, member: str, event: ForgeEvent) -> None:
        """Notes a fork's head that may run once somebody approves it."""
        self._write(facts.shard_of(lane), facts.waits(member, event))

    def prune(self, before: datetime) -> int:
        """Forgets what is older than `before`; how many facts that was."""
        forgotten = 0
        for name in (self._shard(one) for one in range(SHARDS)):
            old = facts.older(self._data(name) or {}, before)
            if old:
                self._merge(name, dict.fromkeys(old))
            forgotten += len(old)
        return forgotten

    def _shard(self, number: int) -> str:
        return f"ledger-{self.chain}.{number}"  # no chain's name has a dot

    def _data(self, name: str) -> dict[str, str] | None:
        """The entries of a ConfigMap; None where there is none."""
        found = self._cluster.get("ConfigMap", name, self._namespace)
        return None if found is None else found.get("data") or {}

    def _write(self, shard: int, entries: Entries) -> None:
        name = self._shard(shard)
        try:
            written = self._merge(name, entries)
        except NotFoundError:
            self._make_all()
            written = self._merge(name, entries)
        if surplus := facts.surplus(written):
            log.warning("ledger.full", ledger=name, forgotten=len(surplus))
            self._merge(name, dict.fromkeys(surplus))

    def _merge(self, name: str, entries: Mapping[str, str | None]) -> dict[str, str]:
        """The entries of the ConfigMap as they are then; of the given ones, those that are None go."""
        patch = {"data": dict(entries)}
        return self._cluster.merge("ConfigMap", name, patch, self._namespace).get("data") or {}

    def _make_all(self) -> None:
        for shard in range(SHARDS):
            metadata = {
                "name": self._shard(shard),
                "namespace": self._namespace,
                "labels": labels.of_chain(self.chain),
            }
            self._make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    def _make(self, shard: Json) -> None:
        try:
            self._cluster.create(shard)
        except ConflictError as error:
            # somebody else did at the same moment, or one who was stopped half-way
            log.info("ledger.made_already", ledger=shard["metadata"]["name"], said=error.reason)
