"""A lane's lock expired under a stalled worker: another has done newer work by the time that it wakes up.

Each case goes through every call of the stalled worker: it stops there, before the call or after it, another
one works to the end on newer truth, and the first goes on as if nothing had happened. Its lock and its fence
do not stop it here, since a process can be stopped between asking its fence and sending its request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

import pytest

from provisioner.cluster import Cluster
from provisioner.labels import LANE
from tests.support import law
from tests.support.crashes import Call, Moment, watched
from tests.support.forge import Branch, Forge, received
from tests.support.localapi import connected
from tests.support.scene import NAMESPACE, Scene, chain, furnish
from workers import queue

pytestmark = pytest.mark.proof

BRANCH = Branch("acme/shop", "fast")
Deed = Callable[[Forge], None]


def opens(forge: Forge) -> None:
    forge.open(BRANCH, frozenset())


def reopens(forge: Forge) -> None:
    forge.reopen(BRANCH)


def closes(forge: Forge) -> None:
    forge.close(BRANCH, merged=True)


def deletes(forge: Forge) -> None:
    forge.delete(BRANCH)


def pushes(*paths: str) -> Deed:
    return lambda forge: forge.push(BRANCH, paths)


PAYMENT = pushes("payment/app.py")
BOTH = pushes("payment/app.py", "orders/app.py")
ORDERS = pushes("orders/app.py")


@dataclass(frozen=True)
class Case:
    """What has happened before; what the first worker is at; what happens while it is stopped, of which the
    second makes everything true. `drains` False: the second stops where a closing lane waits."""

    name: str
    before: tuple[Deed, ...]
    first: tuple[Deed, ...]
    second: tuple[Deed, ...]
    drains: bool = True


CASES = (
    Case("created, then pushed", (PAYMENT,), (opens,), (BOTH,)),
    Case("created, then pushed elsewhere", (BOTH,), (opens,), (ORDERS,)),
    Case("created, then closed", (PAYMENT,), (opens,), (closes,)),
    Case("created, then closing", (PAYMENT,), (opens,), (closes,), drains=False),
    Case("created, then closed and opened again", (PAYMENT,), (opens,), (closes, reopens)),
    Case("created, then the branch ended", (PAYMENT,), (opens,), (deletes,)),
    Case("updated, then updated", (PAYMENT, opens), (BOTH,), (ORDERS,)),
    Case("updated, then updated back", (PAYMENT, opens), (ORDERS,), (PAYMENT,)),
    Case("updated, then closed", (PAYMENT, opens), (BOTH,), (closes,)),
    Case("updated, then closing", (PAYMENT, opens), (BOTH,), (closes,), drains=False),
    Case("updated, then closed and opened again", (PAYMENT, opens), (BOTH,), (closes, PAYMENT, reopens)),
    Case("closed, then opened again", (PAYMENT, opens), (closes,), (reopens,)),
    Case("closed, then pushed and opened again", (PAYMENT, opens), (closes,), (ORDERS, reopens)),
)


@dataclass
class Stalled:
    """A hook that has somebody else work while the worker stands at a call."""

    at: int
    moment: Moment
    meanwhile: Callable[[], None]
    where: Call | None = None

    def __call__(self, call: Call, moment: Moment) -> None:
        if (call.number, moment) == (self.at, self.moment):
            self.where = call
            self.meanwhile()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    local, found = connected()
    furnish(found)
    yield found
    local.close()


def happen(scene: Scene, *deeds: Deed, drains: bool = True) -> None:
    """People do something, the deliveries arrive, and a worker does what is due (`drains`: and later)."""
    for deed in deeds:
        deed(scene.forge)
        for said in scene.forge.outbox:
            told = received(said, scene.clock.now)
            scene.desk.put(queue.deliver(told.to_json(), told.delivery, scene.chain.name))
        scene.forge.outbox.clear()
        if drains:
            scene.work_off()
            continue
        while due := [key for key in scene.desk.waiting if not key.startswith("again/")]:
            scene.run(scene.desk.waiting.pop(due[0]))


NUMBERS = count(1)


@pytest.mark.parametrize("moment", Moment, ids=lambda one: one.name.lower())
@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_who_overslept_undoes_nothing(cluster: Cluster, case: Case, moment: Moment) -> None:
    for at in count(1):
        scene = Scene(cluster, chain(f"stale-{next(NUMBERS)}"))
        happen(scene, *case.before)
        stalled = Stalled(at, moment, partial(happen, scene, *case.second, drains=case.drains))
        with watched(stalled):
            happen(scene, *case.first)
        scene.work_off()
        breaches = law.breaches(scene.chain, scene.world, scene.forge.truth(scene.chain))
        clear(scene)
        assert breaches == [], f"it stood {moment}: {stalled.where}; {breaches}"
        if stalled.where is None:
            assert at > 5
            return


def clear(scene: Scene) -> None:
    for name in law.lanes_of(scene.chain, scene.cluster):
        scene.cluster.delete("Lane", f"{scene.chain.name}.{name}")
    assert scene.cluster.list("Deployment", NAMESPACE, LANE) == []
