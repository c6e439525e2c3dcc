"""Asks the mesh itself who answers a lane: a route that is accepted may have no effect all the same.

A question is one HEAD request for `/` of a service, with the lane's header. The lane's route sets
`x-preview-lane-served` on its answer (with another carrier, the header called after that), whatever the
application says, so the answer tells whether the route was followed. Only who is in the mesh can ask: a
process with a sidecar, or one that is told of a proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from provisioner.chain.model import Protocol
from provisioner.routing import lineage
from provisioner.routing.intent import ChainIntent, Copy, Port, Service, State
from provisioner.routing.mesh import Finding

SECONDS = 2.0
NOT_ANSWERED = "NotAnswered"
DIRECT = "mesh"  # instead of a proxy's address: this process is in the mesh


@dataclass(frozen=True, order=True)
class Question:
    """Who answers a lane at a port; `wanted` is what the answer has to say."""

    service: str
    namespace: str
    port: int
    lane: str
    header: str
    wanted: str

    @property
    def host(self) -> str:
        return f"{self.service}.{self.namespace}.svc.cluster.local:{self.port}"


def questions(intent: ChainIntent, lane: str) -> tuple[Question, ...]:
    """One for each port at which the lane's requests have a way of their own."""
    return tuple(sorted(_questions(intent, lane)))


def _questions(intent: ChainIntent, lane: str) -> Iterator[Question]:
    for service in intent.services:
        for port in service.ports:
            for copy in port.copies if port.protocol is Protocol.HTTP else ():
                if copy.lane == lane and copy.state in (State.READY, State.MISSING):
                    yield _question(intent, service, port, copy)


def _question(intent: ChainIntent, service: Service, port: Port, copy: Copy) -> Question:
    who = "none" if copy.state is State.MISSING else copy.origin or copy.lane
    wanted = f"{service.name}={who}"
    return Question(service.name, service.namespace, port.number, copy.lane, intent.carriers.header, wanted)


def ask(asked: Iterable[Question], through: str) -> tuple[Finding, ...]:
    """What is not as it should be. `through` is a proxy's address, such as http://127.0.0.1:8080, that goes
    by the Host header, or DIRECT. After a question that nobody answers no other is asked: a lane's job must
    not wait for each of them in vain."""
    found: list[Finding] = []
    with httpx.Client(timeout=SECONDS, trust_env=False) as client:
        for one in asked:
            said = _ask(one, through, client)
            found += [said] if said else []
            if said and said.reason == NOT_ANSWERED:
                break
    return tuple(found)


def _ask(one: Question, through: str, client: httpx.Client) -> Finding | None:
    url = f"http://{one.host}/" if through == DIRECT else f"{through.rstrip('/')}/"
    try:
        answer = client.head(url, headers={"host": one.host, one.header: one.lane})
    except httpx.HTTPError as error:
        what = f"nobody answers a request of the lane at port {one.port}: {type(error).__name__} {error}"
        return Finding(one.service, NOT_ANSWERED, what.rstrip())
    said = answer.headers.get(lineage.served(one.header), "")
    if said == one.wanted:
        return None
    told = f"it says {said}" if said else "it does not say who"
    what = (
        f"a request of the lane at port {one.port} is not answered by {one.wanted} ({told}, with "
        f"{answer.status_code}): the route has no effect yet, or another one goes before it; "
        "laneway explain says which"
    )
    return Finding(one.service, "NotInEffect", what)
