"""What each mesh driver makes of chains, lanes and users' own routes, held against files.

Each `CASE.in.yaml` in tests/data/drivers has one `CASE.DRIVER.out.yaml` for each driver: the objects that the
lanes own, what is shared, and what is said. Dropping in a case adds it; LANEWAY_REGENERATE=1 writes what is
expected anew, to be read before it is committed.
"""

from __future__ import annotations

import json
import os
import random
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.chain.model import Driver
from provisioner.routing import drivers
from provisioner.routing.mesh import Compiled
from tests.support import drivers as cases

Json = dict[str, Any]

BOTH = [
    pytest.param(path, driver, id=f"{cases.name(path)}-{driver.value}")
    for path in cases.CASES
    for driver in sorted(drivers.MESHES)
]


def compiled(case: Json, driver: Driver) -> Compiled:
    known = drivers.mesh(driver)
    assert known is not None
    return known.compile(cases.intent(case, driver.value), cases.existing(case))


def told(found: Compiled) -> Json:
    """As it is kept in a file, in the order of names."""
    parts = {
        "own": list(found.own),
        "shared": list(found.shared),
        "released": list(found.released),
        "findings": [asdict(one) for one in found.findings],
    }
    whole: Json = json.loads(json.dumps(parts))  # no part of it is another's
    return {key: value for key, value in whole.items() if value}


@pytest.mark.parametrize(("path", "driver"), BOTH)
def test_a_chain_is_routed_as_expected(path: Path, driver: Driver) -> None:
    case = cases.read(path)
    before = deepcopy(case)
    found = told(compiled(case, driver))
    assert case == before, "the input was changed"
    expected = path.with_name(f"{cases.name(path)}.{driver.value}.out.yaml")
    if os.environ.get("LANEWAY_REGENERATE"):
        expected.write_text(yaml.safe_dump(found, sort_keys=False, width=110))
    assert (yaml.safe_load(expected.read_text()) or {}) == found


@pytest.mark.parametrize(("path", "driver"), BOTH)
def test_the_order_of_what_is_read_changes_nothing(path: Path, driver: Driver) -> None:
    case, known = cases.read(path), drivers.mesh(driver)
    assert known is not None
    there, intent = cases.existing(case), cases.intent(case, driver.value)
    once = told(known.compile(intent, there))
    for seed in range(5):
        shuffled = [list(there.theirs), list(there.services), list(there.lanes.items())]
        for one in shuffled:
            random.Random(seed).shuffle(one)
        theirs, services, lanes = shuffled
        other = replace(there, theirs=tuple(theirs), services=tuple(services), lanes=dict(lanes))
        assert told(known.compile(intent, other)) == once


@pytest.mark.parametrize(("path", "driver"), BOTH)
def test_what_a_lane_owns_is_the_same_with_the_others_and_without(path: Path, driver: Driver) -> None:
    """So lanes cannot be in each other's way, and a change of one writes nothing of another."""
    case, known = cases.read(path), drivers.mesh(driver)
    assert known is not None
    there, intent = cases.existing(case), cases.intent(case, driver.value)
    together = known.compile(intent, there).own
    alone = [
        thing
        for name, lane in sorted(there.lanes.items())
        for thing in known.compile(intent, replace(there, lanes={name: lane})).own
    ]
    assert _sorted(together) == _sorted(alone)


def _sorted(things: Any) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in things)
