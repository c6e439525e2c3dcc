"""How long Envoys lack what they should have, as a metric that is read when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from weakref import WeakSet

from provisioner.routing.envoy import Node
from provisioner.routing.router import metrics


class Lag:
    """That of one Envoy. `since` is monotonic, None while it lacks nothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.since: float | None = None

    def begins(self) -> None:
        """Something was sent; what was sent before and not taken counts from then."""
        self.since = self._clock() if self.since is None else self.since

    def ends(self) -> None:
        """Everything was taken, or the Envoy is gone."""
        self.since = None


class Lags:
    """Those of all Envoys; of each chain and namespace the longest is shown."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, str], WeakSet[Lag]] = {}  # each stream holds its own

    def of(self, node: Node) -> Lag:
        """The lag of an Envoy that has just connected."""
        place = (node.chain, node.namespace)
        if place not in self._known:
            self._known[place] = WeakSet()
            metrics.CONFIG_AGE.labels(*place).set_function(partial(self.longest, *place))
        lag = Lag(self._clock)
        self._known[place].add(lag)
        return lag

    def longest(self, chain: str, namespace: str) -> float:
        """For how many seconds an Envoy there has lacked something; 0 when none does."""
        now, lags = self._clock(), list(self._known[chain, namespace])
        return max((now - one.since for one in lags if one.since is not None), default=0)
