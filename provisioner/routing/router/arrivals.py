"""Has the first requests of a release wait until every Envoy of its chain knows where its pods are.

An Envoy that knows no pod of a lane leaves the lane's requests to the baseline. If the one at the entry heard
of a release before one further inside had its pods, its first requests would meet both versions. So the
entry's routes are held back when a share begins, for as long as an Envoy has not taken what was true then;
once the share has begun nothing is held back, and least of all its end. An Envoy that comes later is told
everything before it is ready. Those of routers beside this one are not known here.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass
class _Stream:
    chain: str
    taken: int = -1  # the generation of which the Envoy has all


class Arrivals:
    """`generation` counts what is known, and only grows."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, _Stream] = {}
        self._since: dict[str, int] = {}  # by chain: the generation with which a share is to begin
        self._begun: set[str] = set()

    def join(self, stream: Hashable, chain: str) -> None:
        """An Envoy has connected."""
        self._streams[stream] = _Stream(chain)

    def leave(self, stream: Hashable) -> None:
        self._streams.pop(stream, None)

    def take(self, stream: Hashable, generation: int) -> bool:
        """An Envoy has all of a generation. Whether it was what a share waited for."""
        one = self._streams[stream]
        one.taken = max(one.taken, generation)
        return one.chain in self._since and one.chain not in self._begun and self._arrived(one.chain)

    def may_begin(self, chain: str, generation: int, *, wanted: bool) -> bool:
        """Whether the entry may be told what its share is now; `wanted`: somebody is to be in it."""
        if not wanted:
            self._since.pop(chain, None)
            self._begun.discard(chain)
            return True
        self._since.setdefault(chain, generation)
        if chain not in self._begun and self._arrived(chain):
            self._begun.add(chain)
        return chain in self._begun

    def _arrived(self, chain: str) -> bool:
        since = self._since[chain]
        return all(one.taken >= since for one in self._streams.values() if one.chain == chain)
