"""Rollouts as baselines, beyond the cases of tests/data/clone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import snapshot
from provisioner.chain.model import Driver, Lifecycle
from provisioner.cluster import NotFoundError
from provisioner.copies import plan, rollouts
from tests.support import baseline as b
from tests.support import clones

Json = dict[str, Any]


def case(name: str) -> Json:
    return clones.read(clones.FOLDER / f"{name}.in.yaml")


@pytest.mark.parametrize("path", sorted(clones.FOLDER.glob("*rollout*.in.yaml")), ids=clones.name)
def test_resolving_twice_is_resolving_once_and_leaves_the_input_alone(path: Path) -> None:
    found = [one for one in clones.read(path)["objects"] if one["kind"] != "Service"]
    before = deepcopy(found)
    once = rollouts.resolved(found)
    assert found == before
    assert rollouts.resolved(once) == once


def test_the_revision_of_a_rollout_changes_with_the_template_that_it_refers_to() -> None:
    found = case("rollout-by-reference")["objects"][0]
    assert rollouts.revision(found) == "2.9"
    found["metadata"]["annotations"] = {}
    assert rollouts.revision(found) == "2"


def test_a_frozen_copy_of_a_rollout_is_derived_from_what_it_was_derived_from() -> None:
    given = case("rollout")
    service = clones.service(given)
    chain = replace(b.chain(service), lifecycle=Lifecycle(follow=False))
    wanted = b.wanted(service, given["image"])
    workloads, services = (
        tuple(o for o in given["objects"] if o["kind"] == k) for k in ("Rollout", "Service")
    )
    first = plan.make(chain, b.lane(), [wanted], plan.Snapshot(None, workloads, services))
    assert not first.problems
    later = deepcopy(workloads)
    later[0]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "NEW", "value": "1"}]
    owned = b.applied(first)
    second = plan.make(chain, b.lane(), [wanted], plan.Snapshot(None, later, services, owned=owned))
    assert (second.writes, second.removals, dict(second.problems)) == ((), (), {})


class WithoutRollouts:
    """A cluster that does not know the kind."""

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[Json]:
        if kind == "Rollout":
            raise NotFoundError("the server could not find the requested resource")
        return []


def test_a_cluster_without_rollouts_is_one_that_has_none() -> None:
    service = clones.service(case("rollout"))
    found = snapshot.read(b.chain(service), b.lane(), WithoutRollouts())  # type: ignore[arg-type]
    assert found.workloads == ()


@pytest.mark.parametrize(("driver", "refused"), [(Driver.ISTIO, True), (Driver.ENVOY, False)])
def test_a_rollout_that_names_no_route_is_refused_where_lanes_would_add_some(
    driver: Driver, refused: bool
) -> None:
    given = case("rollout")
    found = given["objects"][0]
    found["spec"]["strategy"]["canary"]["trafficRouting"]["istio"]["virtualService"].pop("routes")
    service = clones.service(given)
    chain = replace(b.chain(service), driver=driver)
    around = plan.Snapshot(None, (found,), tuple(given["objects"][1:]))
    made = plan.make(chain, b.lane(), [b.wanted(service, given["image"])], around)
    assert ("virtualService.routes: [NAME]" in str(made.problems.get("payment", ""))) is refused
