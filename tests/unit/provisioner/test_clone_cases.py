"""Copies of realistic baselines, held against files.

Each `NAME.in.yaml` in tests/data/clone has a service of the chain, an image and the objects of its namespace;
`NAME.out.yaml` is what the lane is to own, or why the service is refused. Dropping in a pair adds a case;
LANEWAY_REGENERATE=1 writes the expected files anew, to be read before they are committed.
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import plan
from provisioner.chain import Service, WorkloadRef
from tests.support import baseline as b

Json = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "data" / "clone"
CASES = sorted(FOLDER.glob("*.in.yaml"))


def read(path: Path) -> Json:
    return dict(yaml.safe_load(path.read_text()))


def snapshot_of(objects: list[Json]) -> plan.Snapshot:
    def of(*kinds: str) -> tuple[Json, ...]:
        return tuple(one for one in objects if one["kind"] in kinds)

    return plan.Snapshot(
        None,
        workloads=of("Deployment", "StatefulSet"),
        services=of("Service"),
        budgets=of("PodDisruptionBudget"),
        claims=of("PersistentVolumeClaim"),
    )


def outcome(case: Json) -> Json:
    settings = dict(case["service"])
    workload = WorkloadRef(*settings.pop("workload").split("/"))
    service = Service(workload=workload, image="", namespace="shop", paths=(), **settings)
    made = plan.make(
        b.chain(service), b.lane(), [b.wanted(service, case["image"])], snapshot_of(case["objects"])
    )
    if made.problems:
        return {"refused": str(made.problems[service.name]), "reason": made.problems[service.name].reason}
    return {"owned": list(made.desired)}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_a_copy_is_as_expected(path: Path) -> None:
    case = read(path)
    before = deepcopy(case)
    found = outcome(case)
    assert case == before, "the input was changed"
    expected = path.with_name(path.name.replace(".in.", ".out."))
    if os.environ.get("LANEWAY_REGENERATE"):
        expected.write_text(yaml.safe_dump(found, sort_keys=False, width=110))
    assert read(expected) == found


def test_there_are_cases() -> None:
    assert len(CASES) >= 10
