"""Harm on purpose: processes killed, API requests that fail, and the embedded cluster gone for a while."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from devcluster.dev.state import read_json
from provisioner.labels import LANE

Json = dict[str, Any]

POD = "lane's pod"
CLUSTER = "devcluster"
NEVER = ("supervisor", CLUSTER, "envoy", "node")  # who restarts the others, and what has no second copy here
SLACK = 0.5  # seconds between a kill and what is noted of it
BACK = 120.0  # seconds within which a killed cluster must answer again
WRITES = ("POST", "PUT", "PATCH", "DELETE")

AGENT = "laneway"

# one request in five of Laneway's own: each rule's share of those that the rules before it let through
SHARES = (
    ({"action": "fail", "status": 500}, 0.03),
    ({"action": "fail", "status": 503}, 0.03),
    ({"action": "fail", "status": 429, "retry_after": 1}, 0.04),
    ({"action": "drop"}, 0.04),
    ({"action": "cut"}, 0.06),
)
CONFLICTS = 0.05  # of writes, besides


@dataclass
class Faults:
    """Faults of the cluster's API at Laneway's own requests, until `clear`. They go with the cluster's
    process: `hits` keeps what was counted before."""

    api: str
    kept: int = 0
    seen: int = 0
    percent: float = 0.0  # of Laneway's requests, since they were set last

    def set(self) -> None:
        rules = [rule | {"user_agent": AGENT, "probability": share} for rule, share in SHARES]
        conflict = {"action": "fail", "status": 409, "user_agent": AGENT, "probability": CONFLICTS}
        rules += [conflict | {"method": method} for method in WRITES]
        httpx.delete(f"{self.api}/devcluster/requests").raise_for_status()
        for rule in rules:
            httpx.post(f"{self.api}/devcluster/faults", json=rule).raise_for_status()

    def clear(self) -> None:
        self.count()
        asked = httpx.get(f"{self.api}/devcluster/requests", params={"user_agent": AGENT}, timeout=30).json()
        self.percent = 100 * self.seen / (asked["calls"] + asked["apart"])
        self.kept, self.seen = self.hits, 0
        httpx.delete(f"{self.api}/devcluster/faults").raise_for_status()

    def count(self) -> None:
        """Looks how often they struck since they were set."""
        rules = httpx.get(f"{self.api}/devcluster/faults").raise_for_status().json()["faults"]
        self.seen = sum(rule["hits"] for rule in rules)

    def gone(self) -> None:
        """The process that had them is dead."""
        self.kept, self.seen = self.hits, 0

    @property
    def hits(self) -> int:
        return self.kept + self.seen


@dataclass
class Killer:
    """Ends processes of one embedded system by SIGKILL. `kills` counts by process, `pods` says when a pod of
    which lane was killed."""

    endpoints: Path
    api: str
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    pods: list[tuple[float, str]] = field(default_factory=list)
    _turns: list[str] = field(default_factory=list)

    def any(self) -> None:
        """Kills one process, of a kind whose turn it is: all have theirs before one has it again. A kind of
        which none runs just now is passed over."""
        if not self._turns:
            kinds = sorted({POD, *read_json(self.endpoints)["processes"]} - {*NEVER})
            self._turns = self.chance.sample(kinds, len(kinds))
        name = self._turns.pop()
        self.kills[name] += self._a_pod() if name == POD else self._process(name)

    def hit(self, lane: str, began: float, ended: float) -> bool:
        """Whether a pod of the lane was killed while a request was on its way, by seconds since the epoch."""
        return any(killed == lane and began - SLACK <= at <= ended + SLACK for at, killed in self.pods)

    def cluster(self, answers: Callable[[], bool]) -> float:
        """Kills the cluster with its pods; the seconds until `answers`. TimeoutError when it never does."""
        (before,) = read_json(self.endpoints)["processes"][CLUSTER]
        began = time.monotonic()
        self.kills[CLUSTER] += self._process(CLUSTER)
        while read_json(self.endpoints)["processes"][CLUSTER] in ([], [before]) or not answers():
            if time.monotonic() - began > BACK:
                raise TimeoutError(f"the chain does not answer {BACK:g} s after the cluster was killed")
            time.sleep(0.1)
        return time.monotonic() - began

    def _process(self, name: str) -> bool:
        return _kill(read_json(self.endpoints)["processes"].get(name, []))

    def _a_pod(self) -> bool:
        """Kills the processes of a pod that a lane's copy runs."""
        found = httpx.get(f"{self.api}/api/v1/pods", params={"labelSelector": LANE}).raise_for_status()
        running = httpx.get(f"{self.api}/devcluster/processes").raise_for_status().json()
        pods = [one["metadata"] for one in found.json()["items"]]
        alive = [one for one in pods if f"{one['namespace']}/{one['name']}" in running]
        if not alive:
            return False
        chosen = self.chance.choice(sorted(alive, key=lambda one: str(one["name"])))
        self.pods.append((time.time(), chosen["labels"][LANE]))
        return _kill(running[f"{chosen['namespace']}/{chosen['name']}"])


def _kill(pids: list[int]) -> bool:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
    return bool(pids)
