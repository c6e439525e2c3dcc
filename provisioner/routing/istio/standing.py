"""What each lane has at each service. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.chain.model import Protocol
from provisioner.lane.model import Mode
from provisioner.routing.intent import ChainIntent, Copy, Service, State
from provisioner.routing.istio.addresses import Key


@dataclass(frozen=True)
class Standing:
    """By lane, its copies that requests are led to or that it misses, and the Services that its own pods are
    behind, ready or not. A lane that is in neither has no routes."""

    led: Mapping[str, Mapping[Key, Copy]]
    own: Mapping[str, Mapping[Key, Copy]]

    def is_open(self, lane: str) -> bool:
        return lane in self.own


def of_lanes(intent: ChainIntent) -> Standing:
    led: dict[str, dict[Key, Copy]] = {}
    own: dict[str, dict[Key, Copy]] = {}
    for service in intent.services:
        key = (service.namespace, service.name)
        for copy in _whole(service):
            mine = own.setdefault(copy.lane, {})
            if copy.name and not copy.origin:
                mine[key] = copy
            if copy.state in (State.READY, State.MISSING):
                led.setdefault(copy.lane, {})[key] = copy
    return Standing(led, own)


def _whole(service: Service) -> Iterator[Copy]:
    """Each lane's copy over all ports that are routed, the worst of them: a rule is for all ports."""
    found: dict[str, Copy] = {}
    for port in service.ports:
        for copy in port.copies if port.protocol is Protocol.HTTP else ():
            one = _hard(copy)
            there = found.get(one.lane)
            found[one.lane] = one if there is None else max(there, one, key=_badness)
    yield from (found[lane] for lane in sorted(found))


def _hard(copy: Copy) -> Copy:
    """What is not there answers 503 in a strict lane, asleep or not: no mesh holds a request."""
    is_lacking = copy.mode is not Mode.LOOSE and copy.state is not State.READY
    return replace(copy, state=State.MISSING) if is_lacking else copy


def _badness(copy: Copy) -> int:
    return _WORSE.index(copy.state)


_WORSE = (State.READY, State.ASLEEP, State.UNREADY, State.MISSING)
