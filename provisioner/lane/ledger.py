"""What must outlive a lane: which pull requests were closed, and which forks wait for an approval.

Kept in one ConfigMap per chain in Laneway's own namespace, a key for each fact, written by merge patches of
that key alone: two writers never undo each other and nothing has to be read before it is written. A tombstone
has its time in its key, so that an older closing can never hide a newer one. `prune` bounds it by age.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from provisioner import labels
from provisioner.cluster import Cluster, NotFoundError
from provisioner.errors import ConflictError
from provisioner.events import ForgeEvent
from provisioner.lane.model import moment, stamp

Json = dict[str, Any]

_CLOSED, _WAITING = "closed", "waiting"


@dataclass(frozen=True)
class Facts:
    """A chain's ledger as read: member key to the newest closing, member key to the fork's newest event."""

    tombstones: dict[str, datetime]
    waiting: dict[str, ForgeEvent]
    keys: dict[str, datetime]  # every key in the ConfigMap and the time that it speaks of


class Ledger:
    """The ledger of one chain."""

    def __init__(self, cluster: Cluster, namespace: str, chain: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._chain = chain
        self._name = f"ledger-{chain}"

    def read(self) -> Facts:
        """All facts. Makes the ledger where there is none, so that closing the first lane costs no more than
        closing another."""
        found = self._cluster.get("ConfigMap", self._name, self._namespace) or self._made()
        return _facts(found.get("data") or {})

    def bury(self, member: str, at: datetime) -> None:
        """Notes that the pull request was closed at the forge's time `at`."""
        self.bury_all({member: at})

    def bury_all(self, endings: Mapping[str, datetime]) -> None:
        """As `bury`, for several at once; one request."""
        self._write(dict(_tombstone(member, at) for member, at in endings.items()))

    def wait(self, member: str, event: ForgeEvent) -> None:
        """Notes a fork's head that may run once somebody approves it."""
        self._write({_key(_WAITING, member): json.dumps({"member": member, "event": event.to_json()})})

    def prune(self, before: datetime) -> int:
        """Forgets what is older than `before`; how many facts that was."""
        old = [key for key, at in self.read().keys.items() if at < before]
        if old:
            self._write(dict.fromkeys(old))
        return len(old)

    def _write(self, data: dict[str, str] | dict[str, None]) -> None:
        try:
            self._merge(data)
        except NotFoundError:
            self._made()
            self._merge(data)

    def _merge(self, data: dict[str, str] | dict[str, None]) -> Json:
        return self._cluster.merge("ConfigMap", self._name, {"data": data}, self._namespace)

    def _made(self) -> Json:
        """The ledger, just made here or by somebody else at the same moment."""
        metadata = {"name": self._name, "namespace": self._namespace, "labels": labels.of_chain(self._chain)}
        try:
            return self._cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        except ConflictError:
            return self._merge({})


def _tombstone(member: str, at: datetime) -> tuple[str, str]:
    key = _key(_CLOSED, member, str(int(at.timestamp() * 1_000_000)))
    return key, json.dumps({"member": member, "at": stamp(at)})


def _key(kind: str, member: str, suffix: str = "") -> str:
    readable = re.sub(r"[^-a-zA-Z0-9]+", "-", member)[:100]
    digest = hashlib.sha256(member.encode()).hexdigest()[:8]
    return ".".join(part for part in (kind, f"{readable}-{digest}", suffix) if part)


def _facts(data: dict[str, str]) -> Facts:
    tombstones: dict[str, datetime] = {}
    waiting: dict[str, ForgeEvent] = {}
    keys: dict[str, datetime] = {}
    for key, text in data.items():
        fact: dict[str, Any] = json.loads(text)
        member = fact["member"]
        if key.startswith(f"{_CLOSED}."):
            keys[key] = at = moment(fact["at"])
            tombstones[member] = max(at, tombstones.get(member, at))
        else:
            waiting[member] = event = ForgeEvent.from_json(fact["event"])
            keys[key] = event.updated_at
    return Facts(tombstones, waiting, keys)
