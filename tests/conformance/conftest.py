"""The driver under test: `envoy`, or what LANEWAY_CONFORMANCE names (`make conformance DRIVER=...`)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from provisioner.routing.explain import Live, gather
from tests.conformance import results
from tests.conformance.cases import CASES, HEADER
from tests.conformance.hops.client import Walk
from tests.conformance.planes import DRIVERS, Plane
from tests.conformance.releasing import Releasing, releasing
from tests.conformance.scene import LANES, SERVICES, Copy
from tests.support.waiting import until

HERE = Path(__file__).parent
# what is about one driver's own objects, and no case of the list
collect_ignore = [] if os.environ.get("LANEWAY_CONFORMANCE") == "gateway-api" else ["test_users_routes.py"]
SECONDS = 30.0  # that the lanes' routes may take; what has none by then fails in its own case


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # a kubeconfig may say that the server's certificate is not to be verified
            item.add_marker(pytest.mark.filterwarnings("ignore:Unverified HTTPS request"))


TOLD: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in TOLD:
        terminalreporter.write_line(line)


@pytest.fixture
def told() -> list[str]:
    """Lines to be read at the end of the run."""
    return TOLD


@pytest.fixture(scope="session")
def driver() -> str:
    name = os.environ.get("LANEWAY_CONFORMANCE", "envoy")
    assert name in DRIVERS, f"LANEWAY_CONFORMANCE={name!r}; there is {', '.join(DRIVERS)}"
    return name


@pytest.fixture(scope="session")
def plane(driver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The whole scene, with all its lanes open."""
    with _plane(driver, tmp_path_factory.mktemp("plane")) as made:
        made.deploy(LANES)
        for name in LANES:
            made.settle(name)
        patience = time.monotonic() + SECONDS
        until(lambda: time.monotonic() > patience or not _awaited(made), "the lanes", SECONDS + 60)
        yield made


@pytest.fixture(scope="module")
def release(plane: Plane, driver: str) -> Iterator[Releasing]:
    with releasing(plane, driver) as made:
        yield made


@pytest.fixture(scope="session")
def live(plane: Plane) -> Live:
    """What the cluster holds of the scene."""
    return gather.live(plane.place.parsed(), plane.cluster)


@pytest.fixture(scope="session")
def record(driver: str) -> Iterator[dict[str, str]]:
    """What was seen of each case, by its id. LANEWAY_REGENERATE=1 keeps it."""
    found: dict[str, str] = {}
    yield found
    if os.environ.get("LANEWAY_REGENERATE") and len(found) == len(CASES):
        results.keep(driver, found)


def _plane(driver: str, folder: Path) -> AbstractContextManager[Plane]:
    if driver == "envoy":
        from tests.conformance import envoy_plane

        return envoy_plane.plane(folder)
    from tests.conformance import mesh_plane

    cluster = os.environ.get("LANEWAY_CLUSTER", "")
    assert cluster, f"{driver} needs a cluster with istiod: make conformance DRIVER={driver} CLUSTER=CONTEXT"
    return mesh_plane.plane(driver, cluster, folder)


def _awaited(plane: Plane) -> list[str]:
    """The lanes of which no ready copy answers yet, though requests can come that far."""
    return [
        name for name, lane in LANES.items() if Copy.READY in lane.copies.values() and not _met(plane, name)
    ]


def _met(plane: Plane, lane: str) -> bool:
    story = plane.hops.walk(Walk(SERVICES[0], headers=((HEADER, lane),)))
    return any(hop.who == lane for hop in story)
