"""Every request that a run makes fails once, before it is sent or after it took effect; then the run is done
again. At each moment between no route leads to a copy that is not ready, no Service has routes without a
catch-all, other lanes' routes are as they were, and at the end everything is as if nothing had failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provisioner.chain.model import Driver
from provisioner.errors import ClusterError, LanewayError
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


def prepared(act: Act, mesh: Meshed) -> None:
    """The world just before: pr-2 is another lane that nothing may happen to."""
    mesh.opened("pr-2", "payment")
    if act is ready_at_last:
        mesh.open("pr-1", "payment", "orders")
        mesh.converge("pr-1")
        mesh.pods("pr-1", "payment", True)
        mesh.pods("pr-1", "orders", True)
        return
    mesh.opened("pr-1", "payment", "orders")
    if act is loses_a_pod:
        mesh.pods("pr-1", "orders", False)
    elif act is leaves:
        mesh.push("pr-1", "payment")


def breaches(mesh: Meshed, *, settled: bool) -> list[str]:
    """What is wrong with the routes that there are. While a run is on its way, only what would harm."""
    ready = {
        one["metadata"]["name"]
        for one in mesh.cluster.list("EndpointSlice", NAMESPACE)
        if one["endpoints"][0]["conditions"]["ready"]
    }
    services = {one["metadata"]["name"] for one in mesh.cluster.list("Service", NAMESPACE)}
    found = []
    for name, route in mesh.routes().items():
        rules = route["spec"]["rules"]
        led = {ref["name"] for rule in rules for ref in rule["backendRefs"]}
        found += [f"{name} leads to {one}, which is not there" for one in sorted(led - services)]
        lanes = {one for one in led if "--" in one}
        if settled:
            found += [f"{name} leads to {one}, which is not ready" for one in sorted(lanes - ready)]
        if not any(rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}] for rule in rules):
            found.append(f"{name} has no catch-all")
    return found


def outcome(mesh: Meshed) -> Json:
    """What is there, without what every run makes new."""
    lane = mesh.lane("pr-1")
    return {
        "routes": {name: route["spec"] for name, route in mesh.routes().items()},
        "lane": None if lane is None else [lane.phase, lane.status["services"]],
        "services": sorted(one["metadata"]["name"] for one in mesh.cluster.list("Service", NAMESPACE)),
    }


def calls(act: Act) -> tuple[list[Call], Json]:
    """The requests of a run in which nothing fails, and its end."""
    seen: list[Call] = []
    with meshed(Driver.GATEWAY_API) as mesh:
        prepared(act, mesh)
        with watched(lambda call, moment: seen.append(call) if moment is Moment.BEFORE else None):
            act(mesh)
        assert not breaches(mesh, settled=True)
        return seen, outcome(mesh)


@pytest.mark.proof
@pytest.mark.parametrize("act", [ready_at_last, loses_a_pod, leaves, closes], ids=lambda act: act.__name__)
def test_a_run_that_fails_at_any_request_harms_nobody_and_is_made_good(act: Act) -> None:
    seen, wanted = calls(act)
    writes = [call for call in seen if call.edge == "kubernetes" and not call.what.startswith("GET")]
    assert len(writes) >= 2
    for call in writes:
        for moment in Moment:
            _fails(act, call, moment, wanted)


def _fails(act: Act, call: Call, moment: Moment, wanted: Json) -> None:
    def fail(now: Call, at: Moment) -> None:
        if (now.number, at) == (call.number, moment):
            raise ClusterError("it fails here", where=str(call))

    with meshed(Driver.GATEWAY_API) as mesh:
        prepared(act, mesh)
        others = mesh.routes("pr-2")
        with watched(fail):
            try:
                act(mesh)
            except LanewayError:
                assert not breaches(mesh, settled=False), f"{moment}: {call}"
                assert mesh.routes("pr-2") == others
        act(mesh)
        assert not breaches(mesh, settled=True), f"{moment}: {call}"
        assert mesh.routes("pr-2") == others
        assert outcome(mesh) == wanted, f"{moment}: {call}"


def test_routes_go_before_what_they_lead_to_and_come_after_it() -> None:
    for act in (leaves, closes):
        seen, _ = calls(act)
        gone = [call.what for call in seen if call.what.startswith("DELETE")]
        assert "httproutes" in gone[0] and "httproutes" not in gone[-1], gone
    seen, _ = calls(ready_at_last)
    first = next(call.number for call in seen if "httproutes" in call.what and call.what.startswith("PATCH"))
    assert any("endpointslices" in call.what for call in seen if call.number < first)
