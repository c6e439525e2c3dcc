"""The cases of tests/data/clone: a service of the chain, an image, and the objects of its namespace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from provisioner.chain.model import Service, WorkloadRef
from provisioner.copies import plan
from provisioner.lane.model import Lane
from tests.support import baseline as b

Json = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "data" / "clone"
CASES = sorted(FOLDER.glob("*.in.yaml"))
COPIED = [path for path in CASES if not path.name.startswith("refused-")]


def name(path: Path) -> str:
    return path.name.removesuffix(".in.yaml")


def read(path: Path) -> Json:
    return dict(yaml.safe_load(path.read_text()))


def service(case: Json) -> Service:
    settings = dict(case["service"])
    workload = WorkloadRef(*settings.pop("workload").split("/"))
    namespace = settings.pop("namespace", "shop")
    return Service(workload=workload, image="", namespace=namespace, paths=(), **settings)


def planned(case: Json, lane: Lane, owned: tuple[Json, ...] = ()) -> plan.Plan:
    """The plan for a lane with the case's service."""
    wanted = b.wanted(service(case), case["image"])
    return plan.make(b.chain(wanted.service), lane, [wanted], _snapshot(case["objects"], owned))


def without(case: Json, lane: Lane, owned: tuple[Json, ...]) -> plan.Plan:
    """The plan for a lane that the service left."""
    return plan.make(b.chain(service(case)), lane, [], _snapshot(case["objects"], owned))


def _snapshot(objects: list[Json], owned: tuple[Json, ...]) -> plan.Snapshot:
    def of(*kinds: str) -> tuple[Json, ...]:
        return tuple(one for one in objects if one["kind"] in kinds)

    return plan.Snapshot(
        None,
        workloads=of("Deployment", "StatefulSet", "Rollout"),
        services=of("Service"),
        budgets=of("PodDisruptionBudget"),
        policies=of("NetworkPolicy"),
        claims=of("PersistentVolumeClaim"),
        owned=owned,
    )
