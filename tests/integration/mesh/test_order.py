"""Every write that a run makes fails once, before it is sent or after it took effect; then the run is done
again. At each moment between no route leads to what is not there, no Service has routes without a catch-all,
other lanes' routes are as they were, and at the end everything is as if nothing had failed."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.chain.model import Driver
from tests.support.crashes import Moment
from tests.support.meshed import Meshed
from tests.support.meshorder import Act, Trial, closes, leaves, loses_a_pod, ready_at_last, services, writes
from tests.support.scene import NAMESPACE

Json = dict[str, Any]
EVERY_REQUEST = [{"path": {"type": "PathPrefix", "value": "/"}}]


def breaches(mesh: Meshed) -> list[str]:
    """What would harm somebody."""
    there, found = services(mesh), []
    for name, route in mesh.routes().items():
        found += [f"{name} leads to {one}, which is not there" for one in sorted(led(route) - there)]
        if not any(rule["matches"] == EVERY_REQUEST for rule in route["spec"]["rules"]):
            found.append(f"{name} has no catch-all")
    return found


def unsettled(mesh: Meshed) -> list[str]:
    """Routes to copies that are not ready: so it may be until the run that takes them away has ended."""
    ready = {
        one["metadata"]["name"]
        for one in mesh.cluster.list("EndpointSlice", NAMESPACE)
        if one["endpoints"][0]["conditions"]["ready"]
    }
    return [
        f"{name} leads to {one}, which is not ready"
        for name, route in mesh.routes().items()
        for one in sorted(led(route) - ready)
        if "--" in one
    ]


def led(route: Json) -> set[str]:
    """The Services that a route leads to."""
    return {ref["name"] for rule in route["spec"]["rules"] for ref in rule["backendRefs"]}


TRIAL = Trial(
    Driver.GATEWAY_API,
    breaches,
    others=lambda mesh: mesh.routes("pr-2"),
    routes=lambda mesh: {name: route["spec"] for name, route in mesh.routes().items()},
    loses="orders",
    unsettled=unsettled,
)


@pytest.mark.proof
@pytest.mark.parametrize("act", [ready_at_last, loses_a_pod, leaves, closes], ids=lambda act: act.__name__)
def test_a_run_that_fails_at_any_write_harms_nobody_and_is_made_good(act: Act) -> None:
    seen, wanted = TRIAL.run(act)
    assert len(writes(seen)) >= 2
    for call in writes(seen):
        for moment in Moment:
            TRIAL.survives(act, call, moment, wanted)


def test_routes_go_before_what_they_lead_to_and_come_after_it() -> None:
    for act in (leaves, closes):
        seen, _ = TRIAL.run(act)
        gone = [call.what for call in seen if call.what.startswith("DELETE")]
        assert "httproutes" in gone[0] and "httproutes" not in gone[-1], gone
    seen, _ = TRIAL.run(ready_at_last)
    first = next(call.number for call in seen if "httproutes" in call.what and call.what.startswith("PATCH"))
    assert any("endpointslices" in call.what for call in seen if call.number < first)
