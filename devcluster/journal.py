"""Which requests were made: kept so that a test can count the calls that something costs."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

Object = dict[str, Any]

KEPT = 20_000  # requests; counters go on beyond it
APART = (
    "events",
    "events.events.k8s.io",
    "leases.coordination.k8s.io",
)  # not what a caller means by its calls


@dataclass(frozen=True)
class Entry:
    """One request. `code` is 0 when it got no answer; `user` is empty for an administrator."""

    verb: str
    resource: str
    namespace: str
    name: str
    subresource: str
    user_agent: str
    code: int
    user: str = ""


class Journal:
    """The requests since the last reset."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.counts[(entry.verb, entry.resource, entry.user_agent)] += 1

    def reset(self) -> None:
        self.entries.clear()
        self.counts.clear()

    def report(self, agent: str) -> Object:
        """Counts and requests of the user agents that contain `agent`. `calls` leaves watches, Events and
        leases out.
        """
        entries = [asdict(entry) for entry in self.entries if agent in entry.user_agent]
        counts = {key: count for key, count in self.counts.items() if agent in key[2]}
        apart = {key: count for key, count in counts.items() if key[0] == "watch" or key[1] in APART}
        return {
            "calls": sum(counts.values()) - sum(apart.values()),
            "apart": sum(apart.values()),
            "counts": [
                {"verb": verb, "resource": resource, "user_agent": who, "count": count}
                for (verb, resource, who), count in sorted(counts.items())
            ],
            "requests": entries,
        }
