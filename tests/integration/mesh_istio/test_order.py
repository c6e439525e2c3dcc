"""Every write that a run makes fails once, before it is sent or after it took effect; then the run is done
again. At each moment between, the user's rules are all there and in order, no line leads to what is not
there, and other lanes are as they were; at the end everything is as if nothing had failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provisioner.chain.model import Driver
from provisioner.errors import ClusterError, LanewayError
from tests.support import istio
from tests.support.crashes import Call, Moment, watched
from tests.support.meshed import Meshed, meshed
from tests.support.scene import DRAIN, NAMESPACE

Json = dict[str, Any]
Act = Callable[[Meshed], None]


def ready_at_last(mesh: Meshed) -> None:
    """Both copies of a new lane are ready."""
    mesh.converge("pr-1")


def loses_a_pod(mesh: Meshed) -> None:
    mesh.converge("pr-1")


def closes(mesh: Meshed) -> None:
    mesh.close("pr-1")
    mesh.converge("pr-1")
    mesh.scene.clock.step(DRAIN + 1)
    mesh.converge("pr-1")


def prepared(act: Act, mesh: Meshed) -> None:
    """The world just before: pr-2 is another lane that nothing may happen to."""
    istio.written(mesh)
    mesh.opened("pr-2", "payment")
    if act is ready_at_last:
        mesh.open("pr-1", "payment", "orders")
        mesh.converge("pr-1")
        mesh.pods("pr-1", "payment", True)
        mesh.pods("pr-1", "orders", True)
        return
    mesh.opened("pr-1", "payment", "orders")
    if act is loses_a_pod:
        mesh.pods("pr-1", "payment", False)


def breaches(mesh: Meshed) -> list[str]:
    """What is wrong with what is there, finished or not."""
    there = {one["metadata"]["name"]: one["spec"] for one in mesh.cluster.list("VirtualService", NAMESPACE)}
    services = {one["metadata"]["name"] for one in mesh.cluster.list("Service", NAMESPACE)}
    found = []
    for name, spec in there.items():
        delegates = {one["delegate"]["name"] for one in spec["http"] if "delegate" in one}
        found += [
            f"{name} delegates to {one}, which is not there" for one in sorted(delegates - there.keys())
        ]
        led = {to["destination"]["host"] for one in spec["http"] for to in one.get("route") or ()}
        found += [f"{name} leads to {one}, which is not there" for one in sorted(led - services)]
        if spec.get("hosts") and "match" in spec["http"][-1]:
            found.append(f"{name} has no rule for all requests")
    if there["payment"]["http"][-2:] != istio.RULES:
        found.append("the user's rules are not as they were")
    return found


def others(mesh: Meshed) -> tuple[Json, list[Json]]:
    """What is pr-2's: its own objects, and its lines."""
    lines = [one for one in istio.host(mesh)["spec"]["http"] if one.get("name") == "laneway/shop/pr-2"]
    return istio.own(mesh, "pr-2"), lines


def outcome(mesh: Meshed) -> Json:
    """What is there, without what every run makes new."""
    lane = mesh.lane("pr-1")
    return {
        "hosts": {
            one["metadata"]["name"]: one["spec"] for one in mesh.cluster.list("VirtualService", NAMESPACE)
        },
        "lane": None if lane is None else [lane.phase, lane.status["services"], lane.finalizers],
        "services": sorted(one["metadata"]["name"] for one in mesh.cluster.list("Service", NAMESPACE)),
    }


def writes(act: Act) -> tuple[list[Call], Json]:
    """The writes of a run in which nothing fails, and its end."""
    seen: list[Call] = []
    with meshed(Driver.ISTIO) as mesh:
        prepared(act, mesh)
        with watched(lambda call, moment: seen.append(call) if moment is Moment.BEFORE else None):
            act(mesh)
        assert not breaches(mesh)
        end = outcome(mesh)
    return [one for one in seen if one.edge == "kubernetes" and not one.what.startswith("GET")], end


@pytest.mark.parametrize("act", [ready_at_last, loses_a_pod, closes], ids=lambda act: act.__name__)
def test_a_run_that_fails_at_any_write_harms_nobody_and_is_made_good(act: Act) -> None:
    made, wanted = writes(act)
    assert any("virtualservices" in call.what for call in made)
    for call in made:
        for moment in Moment:
            _fails(act, call, moment, wanted)


def _fails(act: Act, call: Call, moment: Moment, wanted: Json) -> None:
    def fail(now: Call, at: Moment) -> None:
        if (now.number, at) == (call.number, moment):
            raise ClusterError("it fails here", where=str(call))

    with meshed(Driver.ISTIO) as mesh:
        prepared(act, mesh)
        before = others(mesh)
        with watched(fail):
            try:
                act(mesh)
            except LanewayError:
                assert not breaches(mesh), f"{moment}: {call}"
                assert others(mesh) == before
        act(mesh)
        assert not breaches(mesh), f"{moment}: {call}"
        assert others(mesh) == before
        assert outcome(mesh) == wanted, f"{moment}: {call}"


def test_a_line_comes_after_what_it_leads_to_and_goes_before_it() -> None:
    made, _ = writes(ready_at_last)
    of_lane = [call.number for call in made if "payment--pr-1" in call.what and "PATCH" in call.what]
    of_host = [
        call.number for call in made if "virtualservices/payment " in f"{call.what} " and "PUT" in call.what
    ]
    assert of_lane and of_host and max(of_lane) < min(of_host)
    made, _ = writes(closes)
    gone = [call.number for call in made if "payment--pr-1" in call.what and "DELETE" in call.what]
    of_host = [
        call.number for call in made if "virtualservices/payment " in f"{call.what} " and "PUT" in call.what
    ]
    assert gone and of_host and min(of_host) < min(gone)
