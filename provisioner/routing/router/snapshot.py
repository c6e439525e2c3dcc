"""What an Envoy that starts needs to know when there is no router to ask. Pure.

A snapshot is the intent of one chain in one namespace with what stays true while nobody looks: the listeners,
the baseline's endpoints, which copies sleep, and where a strict lane lets nobody answer for it. The endpoints
of copies are left out: an address that was a lane's may be another pod's by now. So an Envoy that starts from
a snapshot serves the baseline, says so to requests with a lane, leaves those for a lane that sleeps to the
waker (503 until there is one), and answers 503 for a strict lane.

It is a few hundred bytes for each service, and some ten for each lane that sleeps or is strict: far below the
1 MiB of a ConfigMap with thousands of lanes.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from provisioner.errors import InputError
from provisioner.lane.model import Mode
from provisioner.routing.intent import ChainIntent, Copy, Endpoint, Port, Service, State

Key = tuple[str, int]  # a service and the number of one of its ports

_FORM = TypeAdapter(ChainIntent)


def kept(intent: ChainIntent, namespace: str) -> ChainIntent:
    """What a snapshot holds of an intent."""
    return replace(intent, services=tuple(_service(one) for one in intent.within(namespace)))


def _service(service: Service) -> Service:
    return replace(service, ports=tuple(_port(one) for one in service.ports))


def _port(port: Port) -> Port:
    kept = (_copy(copy) for copy in port.copies)
    return replace(port, copies=tuple(copy for copy in kept if copy))


def _copy(copy: Copy) -> Copy | None:
    """None for one that the baseline answers for."""
    if copy.state is State.ASLEEP:
        return copy
    strict = copy.mode is not Mode.LOOSE and not copy.origin
    return replace(copy, state=State.MISSING, endpoints=()) if strict else None


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


def moved(intent: ChainIntent, addresses: Mapping[str, tuple[str, ...]]) -> ChainIntent:
    """With the baseline's pods at the addresses that are known by now, by service; others stay. Ports stay
    as they were: names are not asked for them."""
    return replace(
        intent, services=tuple(_moved(one, addresses.get(one.name, ())) for one in intent.services)
    )


def _moved(service: Service, addresses: tuple[str, ...]) -> Service:
    if not addresses:
        return service
    return replace(service, ports=tuple(_at(port, addresses) for port in service.ports))


def _at(port: Port, addresses: tuple[str, ...]) -> Port:
    numbers = sorted({one.port for one in port.baseline})
    if len(numbers) != 1:  # pods that differ in their port, or none: nobody could say which has which
        return port
    return replace(port, baseline=tuple(Endpoint(one, numbers[0]) for one in sorted(addresses)))
