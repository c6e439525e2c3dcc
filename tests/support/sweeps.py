"""Sweeps of a shop, step by step: lanes as they are when all went well, a sweep, and what follows from it."""

from __future__ import annotations

from typing import Any

from provisioner.events import Kind
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.sweep.retention import Action, Why
from provisioner.sweep.sweep import Report, sweep
from tests.support.shop import Shop

Json = dict[str, Any]
ROLLED_OUT = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}


def opened(shop: Shop, *branches: str) -> None:
    """Lanes as they are when everything went well: converged, rolled out, Ready."""
    for branch in branches:
        shop.origin.branch(branch, {"payment/app.py": branch})
        for found in record(shop.event(Kind.OPENED, branch), shop.chain, shop.world):
            converge(shop.chain, found.lane, shop.world)
            roll_out(shop, found.lane)
            converge(shop.chain, found.lane, shop.world)


def roll_out(shop: Shop, lane: str) -> None:
    for one in shop.owned(lane).values():
        if one["kind"] == "Deployment":
            metadata = one["metadata"]
            patch = {"status": {**ROLLED_OUT, "observedGeneration": metadata.get("generation", 1)}}
            shop.cluster.merge("Deployment", metadata["name"], patch, metadata["namespace"], "status")


def swept(shop: Shop, *, dry_run: bool = False, confirm: bool = False) -> tuple[Report, list[str]]:
    """A sweep, and the lanes that it wants to converge."""
    asked: list[str] = []
    report = sweep(
        [shop.chain],
        shop.world,
        dry_run=dry_run,
        confirm=confirm,
        enqueue=lambda _, lane: asked.append(lane),
    )
    return report, asked


def settled(shop: Shop, *, confirm: bool = False) -> Report:
    """A sweep, and all that follows from it, closing included."""
    report, asked = swept(shop, confirm=confirm)
    for _ in range(2):
        for name in asked:
            converge(shop.chain, name, shop.world)
        shop.clock.step(shop.world.settings.drain_seconds)
    return report


def found(report: Report) -> list[tuple[str, Action, Why]]:
    return [(one.lane, one.action, one.why) for one in report.findings]


def here(shop: Shop) -> set[str]:
    return {one["spec"]["lane"] for one in shop.cluster.list("Lane")}


def lane(shop: Shop, name: str) -> Lane:
    read = lanes.read(shop.cluster, shop.chain.name, name)
    assert read is not None
    return read


def everything(shop: Shop) -> dict[str, str]:
    """Every object that a sweep could write, and its version."""
    kinds = ("Lane", "Service", "Deployment", "ConfigMap", "Event", "Lease")
    return {
        f"{kind} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}": one["metadata"][
            "resourceVersion"
        ]
        for kind in kinds
        for one in shop.cluster.list(kind)
    }
