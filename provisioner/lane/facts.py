"""What a ledger says, and how it is written down. Pure.

A fact is one key of a ConfigMap: a tombstone, with its time in the key, or a fork's event that waits for an
approval. The facts of a chain lie in SHARDS ConfigMaps by the name of the lane that they concern, so that a
lane's job reads one of them, and each stays far below the megabyte that a ConfigMap may have.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioner.events import ForgeEvent
from provisioner.lane.model import moment, stamp

SHARDS = 8  # never to be changed without moving what lies in them
MOST_BYTES = 600_000  # of a shard's keys and values; its managedFields come to half as much again
KEPT_BYTES = 450_000  # once it had more

_CLOSED, _WAITING = "closed", "waiting"


@dataclass(frozen=True)
class Facts:
    """A ledger as read: member key to the newest closing, member key to the fork's newest event."""

    tombstones: dict[str, datetime] = field(default_factory=dict)
    waiting: dict[str, ForgeEvent] = field(default_factory=dict)
    keys: dict[str, datetime] = field(default_factory=dict)  # every key, and the time that it speaks of


def shard_of(lane: str) -> int:
    """Where the facts lie that concern a lane, from 0."""
    return int.from_bytes(hashlib.sha256(lane.encode()).digest()[:4], "big") % SHARDS


def tombstone(member: str, at: datetime) -> dict[str, str]:
    """The entry which says that a pull request, or a branch, ended at `at`."""
    key = _key(_CLOSED, member, str(int(at.timestamp() * 1_000_000)))
    return {key: json.dumps({"member": member, "at": stamp(at)})}


def waits(member: str, event: ForgeEvent) -> dict[str, str]:
    """The entry which says that a fork's head may run once somebody approves it."""
    return {_key(_WAITING, member): json.dumps({"member": member, "event": event.to_json()})}


def read(data: Mapping[str, str]) -> Facts:
    """The facts in the entries of one ConfigMap, or of several."""
    found = Facts()
    for key, text in data.items():
        fact: dict[str, Any] = json.loads(text)
        member = fact["member"]
        if key.startswith(f"{_CLOSED}."):
            at = moment(fact["at"])
            found.tombstones[member] = max(at, found.tombstones.get(member, at))
        else:
            found.waiting[member] = event = ForgeEvent.from_json(fact["event"])
            at = event.updated_at
        found.keys[key] = at
    return found


def older(data: Mapping[str, str], before: datetime) -> list[str]:
    """The keys of what is older than that."""
    return [key for key, at in read(data).keys.items() if at < before]


def surplus(data: Mapping[str, str]) -> list[str]:
    """The keys of the oldest entries that have to go for the rest to fit; none while all fit."""
    size = _size(data.items())
    if size <= MOST_BYTES:
        return []
    gone = []
    for key, _ in sorted(read(data).keys.items(), key=lambda one: one[1]):
        if size <= KEPT_BYTES:
            break
        size -= _size([(key, data[key])])
        gone.append(key)
    return gone


def _size(entries: Iterable[tuple[str, str]]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in entries)


def _key(kind: str, member: str, suffix: str = "") -> str:
    readable = re.sub(r"[^-a-zA-Z0-9]+", "-", member)[:100]
    digest = hashlib.sha256(member.encode()).hexdigest()[:8]
    return ".".join(part for part in (kind, f"{readable}-{digest}", suffix) if part)
