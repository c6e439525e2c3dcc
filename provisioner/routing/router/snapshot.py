"""What an Envoy that starts needs to know when there is no router to ask. Pure.

A snapshot is the intent of one chain in one namespace with what stays true while nobody looks: the listeners,
the baseline's endpoints, which copies sleep, and where a strict lane lets nobody answer for it. The endpoints
of copies are left out: an address that was a lane's may be another pod's by now. So an Envoy that starts from
a snapshot serves the baseline, says so to requests with a lane, leaves those for a lane that sleeps to the
waker (503 until there is one), and answers 503 for a strict lane.

A release that runs keeps its share, because its users are not to change sides whenever an Envoy starts. Where
its pods are is asked like the baseline's; while a copy of it has none, nobody is in it.

It is a few hundred bytes for each service, and some ten for each lane that sleeps or is strict: far below the
1 MiB of a ConfigMap with thousands of lanes.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from provisioner.chain.strategy import Audience
from provisioner.errors import InputError
from provisioner.lane.model import Mode
from provisioner.routing.intent import ChainIntent, Copy, Endpoint, Port, Service, Share, State
from provisioner.routing.router.attachment import twin_name

Addresses = Mapping[str, tuple[str, ...]]  # of pods, by the headless Service that they are behind

_FORM = TypeAdapter(ChainIntent)


def kept(intent: ChainIntent, namespace: str) -> ChainIntent:
    """What a snapshot holds of an intent."""
    released = intent.share.lane if intent.share else ""
    return replace(intent, services=tuple(_service(one, released) for one in intent.within(namespace)))


def _service(service: Service, released: str) -> Service:
    return replace(service, ports=tuple(_port(one, released) for one in service.ports))


def _port(port: Port, released: str) -> Port:
    kept = (_copy(copy, released) for copy in port.copies)
    return replace(port, copies=tuple(copy for copy in kept if copy))


def _copy(copy: Copy, released: str) -> Copy | None:
    """None for one that the baseline answers for. Of the released one the endpoints are kept for the sake of
    their port: nobody is asked there while it is missing."""
    if copy.state is State.ASLEEP:
        return copy
    if copy.mode is Mode.LOOSE or copy.origin:
        return None
    return replace(copy, state=State.MISSING, endpoints=copy.endpoints if copy.lane == released else ())


def names(intent: ChainIntent) -> list[tuple[str, str]]:
    """The headless Services, each with its namespace, behind which the pods are that a snapshot's intent
    leads to."""
    return [(name, service.namespace) for service in intent.services for name in _names(service, intent)]


def _names(service: Service, intent: ChainIntent) -> list[str]:
    copies = (copy for port in service.ports for copy in port.copies if _is_released(copy, intent.share))
    return [twin_name(service.name), *sorted({copy.name for copy in copies})]


def _is_released(copy: Copy, share: Share | None) -> bool:
    return share is not None and copy.lane == share.lane and bool(copy.name)


def packed(intent: ChainIntent) -> bytes:
    """The same bytes for equal intents."""
    return gzip.compress(_FORM.dump_json(intent), mtime=0)


def unpacked(data: bytes) -> ChainIntent:
    """InputError when these are not the bytes of a snapshot that this version understands."""
    try:
        return _FORM.validate_json(gzip.decompress(data))
    except (OSError, EOFError, zlib.error, ValidationError) as error:
        raise InputError(
            f"no snapshot that this version of Laneway reads: {error}", where="intent"
        ) from error


def moved(intent: ChainIntent, addresses: Addresses) -> ChainIntent:
    """A snapshot's intent with the pods at the addresses that are known by now; the baseline's others stay.
    Ports stay as they were: names are not asked for them."""
    services = tuple(_moved(one, intent.share, addresses) for one in intent.services)
    return replace(intent, services=services, share=_held(intent.share, services))


def _moved(service: Service, share: Share | None, addresses: Addresses) -> Service:
    baseline = addresses.get(twin_name(service.name), ())
    return replace(service, ports=tuple(_at(port, baseline, share, addresses) for port in service.ports))


def _at(port: Port, baseline: tuple[str, ...], share: Share | None, addresses: Addresses) -> Port:
    copies = tuple(
        _found(copy, addresses.get(copy.name, ())) if _is_released(copy, share) else copy
        for copy in port.copies
    )
    return replace(port, baseline=_there(port.baseline, baseline) or port.baseline, copies=copies)


def _found(copy: Copy, addresses: tuple[str, ...]) -> Copy:
    found = _there(copy.endpoints, addresses)
    return replace(copy, state=State.READY, endpoints=found) if found else copy


def _there(before: tuple[Endpoint, ...], addresses: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """None for pods that differ in their port, or none at all: nobody could say which has which."""
    numbers = sorted({one.port for one in before})
    return tuple(Endpoint(one, numbers[0]) for one in sorted(addresses)) if len(numbers) == 1 else ()


def _held(share: Share | None, services: tuple[Service, ...]) -> Share | None:
    """Nobody is in a release of which a copy is missing, unless it is firm."""
    if share is None or share.firm:
        return share
    copies = (copy for service in services for port in service.ports for copy in port.copies)
    there = all(copy.state is State.READY for copy in copies if _is_released(copy, share))
    return share if there else replace(share, weight=0, audience=Audience())
