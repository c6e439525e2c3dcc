"""Every write that a run makes fails once, before it is sent or after it took effect; then the run is done
again. At each moment between, the user's rules are all there and in order, no line leads to what is not
there, and other lanes are as they were; at the end everything is as if nothing had failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from provisioner.chain.model import Driver
from tests.support import istio
from tests.support.crashes import Call, Moment
from tests.support.meshed import Meshed
from tests.support.meshorder import Act, Trial, closes, loses_a_pod, ready_at_last, services, writes
from tests.support.scene import NAMESPACE

Json = dict[str, Any]


def breaches(mesh: Meshed) -> list[str]:
    there, known = hosts(mesh), services(mesh)
    found = []
    for name, spec in there.items():
        delegates = {one["delegate"]["name"] for one in spec["http"] if "delegate" in one}
        found += [
            f"{name} delegates to {one}, which is not there" for one in sorted(delegates - there.keys())
        ]
        led = {to["destination"]["host"] for one in spec["http"] for to in one.get("route") or ()}
        found += [f"{name} leads to {one}, which is not there" for one in sorted(led - known)]
        if spec.get("hosts") and "match" in spec["http"][-1]:
            found.append(f"{name} has no rule for all requests")
    if there["payment"]["http"][-2:] != istio.RULES:
        found.append("the user's rules are not as they were")
    return found


def others(mesh: Meshed) -> tuple[Json, list[Json]]:
    """What is pr-2's: its own objects, and its lines."""
    lines = [one for one in istio.host(mesh)["spec"]["http"] if one.get("name") == "laneway/shop/pr-2"]
    return istio.own(mesh, "pr-2"), lines


def hosts(mesh: Meshed) -> Json:
    """Every VirtualService's spec, by name."""
    return {one["metadata"]["name"]: one["spec"] for one in mesh.cluster.list("VirtualService", NAMESPACE)}


TRIAL = Trial(Driver.ISTIO, breaches, others, routes=hosts, loses="payment", furnish=istio.written)


@pytest.mark.parametrize("act", [ready_at_last, loses_a_pod, closes], ids=lambda act: act.__name__)
def test_a_run_that_fails_at_any_write_harms_nobody_and_is_made_good(act: Act) -> None:
    seen, wanted = TRIAL.run(act)
    made = writes(seen)
    assert any("virtualservices" in call.what for call in made)
    for call in made:
        for moment in Moment:
            TRIAL.survives(act, call, moment, wanted)


def test_a_line_comes_after_what_it_leads_to_and_goes_before_it() -> None:
    made = writes(TRIAL.run(ready_at_last)[0])
    of_lane = [call.number for call in made if "payment--pr-1" in call.what and "PATCH" in call.what]
    assert of_lane and of_host(made) and max(of_lane) < min(of_host(made))
    made = writes(TRIAL.run(closes)[0])
    gone = [call.number for call in made if "payment--pr-1" in call.what and "DELETE" in call.what]
    assert gone and of_host(made) and min(of_host(made)) < min(gone)


def of_host(made: Sequence[Call]) -> list[int]:
    """When the user's own object was written."""
    return [
        call.number for call in made if "virtualservices/payment " in f"{call.what} " and "PUT" in call.what
    ]
