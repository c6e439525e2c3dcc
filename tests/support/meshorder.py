"""Acts in the life of a lane that a mesh routes, done while any one of their calls fails.

pr-1 is the lane that something becomes of; pr-2 is another, to which nothing may happen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.chain.model import Driver
from provisioner.errors import ClusterError, LanewayError
from tests.support.crashes import Call, Moment, watched
from tests.support.meshed import Meshed, meshed
from tests.support.scene import DRAIN, NAMESPACE

Json = dict[str, Any]
Act = Callable[[Meshed], None]
Look = Callable[[Meshed], list[str]]


def ready_at_last(mesh: Meshed) -> None:
    """Both copies of a new lane are ready."""
    mesh.converge("pr-1")


def loses_a_pod(mesh: Meshed) -> None:
    mesh.converge("pr-1")


def leaves(mesh: Meshed) -> None:
    """A push takes a service out of the lane; its copy goes once drained."""
    mesh.converge("pr-1")
    mesh.scene.clock.step(DRAIN)
    mesh.converge("pr-1")


def closes(mesh: Meshed) -> None:
    mesh.close("pr-1")
    mesh.converge("pr-1")
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge("pr-1")


def nothing(_: Meshed) -> list[str]:
    return []


@dataclass(frozen=True)
class Trial:
    """What the runs of one driver are held to. `breaches` is what is wrong with what is there, finished or
    not, and `unsettled` what may be so for as long as a run is on its way; `others` is what is pr-2's,
    `routes` all that leads anywhere, by name. `loses` is the service whose copy loses its pod, `furnish` adds
    to the world before there is a lane."""

    driver: Driver
    breaches: Look
    others: Callable[[Meshed], Any]
    routes: Callable[[Meshed], Json]
    loses: str
    unsettled: Look = nothing
    furnish: Callable[[Meshed], Any] = nothing

    def run(self, act: Act) -> tuple[list[Call], Json]:
        """The calls of a run in which none fails, and its end."""
        seen: list[Call] = []
        with meshed(self.driver) as mesh:
            self._prepare(act, mesh)
            with watched(lambda call, moment: seen.append(call) if moment is Moment.BEFORE else None):
                act(mesh)
            assert self._wrong(mesh) == []
            return seen, self._outcome(mesh)

    def survives(self, act: Act, call: Call, moment: Moment, wanted: Json) -> None:
        """A call of the run fails, and nobody is harmed; the run is done again, and ends as it should."""

        def fail(now: Call, at: Moment) -> None:
            if (now.number, at) == (call.number, moment):
                raise ClusterError("it fails here", where=str(call))

        with meshed(self.driver) as mesh:
            self._prepare(act, mesh)
            before = self.others(mesh)
            with watched(fail):
                try:
                    act(mesh)
                except LanewayError:
                    assert self.breaches(mesh) == [], f"{moment}: {call}"
                    assert self.others(mesh) == before, f"{moment}: {call}"
            act(mesh)
            assert self._wrong(mesh) == [], f"{moment}: {call}"
            assert self.others(mesh) == before, f"{moment}: {call}"
            assert self._outcome(mesh) == wanted, f"{moment}: {call}"

    def _prepare(self, act: Act, mesh: Meshed) -> None:
        """The world just before."""
        self.furnish(mesh)
        mesh.opened("pr-2", "payment")
        if act is ready_at_last:
            mesh.open("pr-1", "payment", "orders")
            mesh.converge("pr-1")
            mesh.pods("pr-1", "payment", True)
            mesh.pods("pr-1", "orders", True)
            return
        mesh.opened("pr-1", "payment", "orders")
        if act is loses_a_pod:
            mesh.pods("pr-1", self.loses, False)
        elif act is leaves:
            mesh.push("pr-1", "payment")

    def _wrong(self, mesh: Meshed) -> list[str]:
        return [*self.breaches(mesh), *self.unsettled(mesh)]

    def _outcome(self, mesh: Meshed) -> Json:
        """What is there, without what every run makes new."""
        lane = mesh.lane("pr-1")
        return {
            "routes": self.routes(mesh),
            "lane": None if lane is None else [lane.phase, lane.status["services"], lane.finalizers],
            "services": sorted(services(mesh)),
        }


def writes(calls: Sequence[Call]) -> list[Call]:
    """Those of the calls that change something in the cluster."""
    return [one for one in calls if one.edge == "kubernetes" and not one.what.startswith("GET")]


def services(mesh: Meshed) -> set[str]:
    """The names of all Services."""
    return {one["metadata"]["name"] for one in mesh.cluster.list("Service", NAMESPACE)}
