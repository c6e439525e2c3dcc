"""Lanes that are taken away by force, without their routes being withdrawn: the sweep finds what is left."""

from __future__ import annotations

from provisioner.routing.istio import lines
from provisioner.sweep.retention import Action, Finding, Why
from provisioner.sweep.sweep import sweep
from tests.support import istio
from tests.support.meshed import Meshed
from tests.support.scene import NAMESPACE


def torn_out(mesh: Meshed, lane: str) -> None:
    """Somebody takes the Lane's finalizer away and deletes it; the cluster collects what it owned."""
    mesh.cluster.merge("Lane", f"shop.{lane}", {"metadata": {"finalizers": None}})
    mesh.cluster.delete("Lane", f"shop.{lane}")
    assert mesh.lane(lane) is None


def swept(mesh: Meshed, *, dry_run: bool = False) -> list[Finding]:
    """What a sweep says of lanes that are gone; and whatever it wants to converge does."""
    asked: list[str] = []
    report = sweep(
        [mesh.chain],
        mesh.scene.world,
        dry_run=dry_run,
        confirm=False,
        enqueue=lambda _, lane: asked.append(lane),
    )
    for lane in asked:
        mesh.converge(lane)
    return [one for one in report.findings if one.why is Why.ORPHAN and one.action is Action.CONVERGE]


def test_the_line_of_a_lane_that_was_torn_out_goes_with_the_next_sweep(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.opened("pr-1", "payment")
    mesh.opened("pr-2", "payment")
    torn_out(mesh, "pr-1")
    mesh.converge("pr-2")
    assert "laneway/shop/pr-1" in istio.rules(mesh), "another lane lets it be"
    others = istio.own(mesh, "pr-2")
    (found,) = swept(mesh)
    assert found.lane == "pr-1" and f"VirtualService {NAMESPACE}/payment" in found.message
    assert "laneway/shop/pr-1" not in istio.rules(mesh)
    assert istio.rules(mesh)[0] == "laneway/shop/pr-2" and istio.own(mesh, "pr-2") == others
    assert istio.host(mesh)["spec"]["http"][-2:] == istio.RULES
    assert swept(mesh) == []


def test_with_the_last_one_the_users_object_is_as_it_was(mesh: Meshed) -> None:
    before = istio.written(mesh)
    mesh.opened("pr-1", "payment", "orders")
    torn_out(mesh, "pr-1")
    assert swept(mesh, dry_run=True) and "laneway/shop/pr-1" in istio.rules(mesh), "a dry run writes nothing"
    assert {one.lane for one in swept(mesh)} == {"pr-1"}
    assert lines.canonical(istio.content(istio.host(mesh))) == lines.canonical(istio.content(before))
    names = [one["metadata"]["name"] for one in mesh.cluster.list("VirtualService", NAMESPACE)]
    assert names == ["payment"], "Laneway's own host for orders has nobody to be for"


def test_lines_of_lanes_that_there_are_are_left_to_those(mesh: Meshed) -> None:
    istio.written(mesh)
    mesh.opened("pr-1", "payment")
    assert swept(mesh) == []
    assert istio.rules(mesh)[0] == "laneway/shop/pr-1"
