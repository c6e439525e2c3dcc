"""Which changes of a release its listeners have not been told of yet, and how each is told. Pure.

The release's timeline is the outbox: `status.notified` has, for each URL of `notify`, the sequence number of
the last entry that it took. So nothing that happened is forgotten while the object is there, and each URL
gets the entries in order, each at least once; what it gets twice has the same id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provisioner.lane.model import moment
from provisioner.release.model import Release

Json = dict[str, Any]

ID_HEADER = "X-Laneway-Delivery"
SIGNATURE_HEADER = "X-Laneway-Signature-256"

GIVEN_UP = timedelta(days=1)  # what nobody took for so long is told to nobody
SOONEST, LATEST = 2.0, 300.0  # seconds until what was not taken is tried again


@dataclass(frozen=True)
class Notice:
    """One change, for one listener. `id` is the same for all listeners and each time that it is sent."""

    url: str
    sequence: int
    id: str
    body: bytes
    at: datetime

    def headers(self, key: bytes) -> dict[str, str]:
        """What goes with the body; the signature is over its very bytes, as GitHub's is."""
        digest = hmac.new(key, self.body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "laneway",
            ID_HEADER: self.id,
            SIGNATURE_HEADER: f"sha256={digest}",
        }


def pending(release: Release, allowed: Collection[str], now: datetime) -> dict[str, list[Notice]]:
    """What each listener has to be told, the oldest first; whoever knows everything is not named, nor is a
    URL of the release that is not among the allowed ones."""
    urls = (url for url in dict.fromkeys(release.strategy.notify) if url in allowed)
    found = {url: _pending(release, url, now) for url in urls}
    return {url: notices for url, notices in found.items() if notices}


def noted(taken: Iterable[Notice]) -> dict[str, int]:
    """`status.notified` of the listeners that took these."""
    found: dict[str, int] = {}
    for one in taken:
        found[listener(one.url)] = max(one.sequence, found.get(listener(one.url), 0))
    return found


def listener(url: str) -> str:
    """By what a status names a listener; the address itself may be a secret."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def again(left: Mapping[str, list[Notice]], now: datetime) -> float | None:
    """In how many seconds to try what is left; the longer it has waited, the later. None: nothing is."""
    ages = [(now - notices[0].at).total_seconds() for notices in left.values() if notices]
    return max(SOONEST, min(LATEST, min(ages) / 2)) if ages else None


def _pending(release: Release, url: str, now: datetime) -> list[Notice]:
    last = int((release.status.get("notified") or {}).get(listener(url), 0))
    entries = release.status.get("timeline") or ()
    made = (_notice(release, url, one) for one in entries if int(one["sequence"]) > last)
    return [one for one in made if now - one.at < GIVEN_UP]


def _notice(release: Release, url: str, entry: Json) -> Notice:
    sequence = int(entry["sequence"])
    named = f"{release.uid}:{sequence}"
    told: Json = {
        "id": named,
        "sequence": sequence,
        "chain": release.chain,
        "release": release.name,
        "origin": release.origin,
        "services": [change.to_json() for change in release.changes],
        "steps": len(release.strategy.steps),
        **{key: entry[key] for key in sorted(entry) if key != "sequence"},
    }
    return Notice(url, sequence, named, json.dumps(told, ensure_ascii=False).encode(), moment(entry["at"]))
