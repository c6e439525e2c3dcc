"""The driver under test: `envoy`, or what LANEWAY_CONFORMANCE names (`make conformance DRIVER=...`)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conformance import envoy_plane
from tests.conformance.cases import HEADER
from tests.conformance.hops.client import Walk
from tests.conformance.planes import DRIVERS, Plane
from tests.conformance.scene import LANES, SERVICES, Copy, Lane
from tests.support.waiting import until


@pytest.fixture(scope="session")
def driver() -> str:
    name = os.environ.get("LANEWAY_CONFORMANCE", "envoy")
    assert name in DRIVERS, f"LANEWAY_CONFORMANCE={name!r}; there is {', '.join(DRIVERS)}"
    return name


@pytest.fixture(scope="session")
def plane(driver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The whole scene, with all its lanes open."""
    with envoy_plane.plane(tmp_path_factory.mktemp("plane")) as made:
        made.open(LANES)
        for name, lane in LANES.items():
            _wait_for(made, name, lane)
        yield made


def _wait_for(plane: Plane, name: str, lane: Lane) -> None:
    """Until each of the lane's ready copies answers."""
    ready = {service for service, copy in lane.copies.items() if copy is Copy.READY}
    walk = Walk(SERVICES[0], headers=((HEADER, name),))
    until(
        lambda: ready <= {hop.service for hop in plane.hops.walk(walk) if hop.who == name},
        f"lane {name} is entered at {sorted(ready)}",
        seconds=60,
    )
