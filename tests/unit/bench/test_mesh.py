"""What the benchmark of lanes in a mesh asks for, and what it makes of what it saw."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench import mesh
from bench.mesh import CASES, Case
from bench.mesh_town import Application, Town, last_lane, size, unowned
from provisioner.chain.model import Driver

APPLICATION = Application("192.0.2.1", 8001, 8002)


def town(driver: Driver, count: int, *, entered: bool = False) -> Town:
    return Town(driver, "shop", count, APPLICATION, entered)


def test_every_lane_has_a_service_that_leads_to_the_copy() -> None:
    things = {(one["kind"], one["metadata"]["name"]): one for one in town(Driver.GATEWAY_API, 2).furniture()}
    assert ("Service", "payment--pr-0002") in things
    (port,) = things["EndpointSlice", "payment--pr-0002-x"]["ports"]
    assert port["port"] == APPLICATION.copy
    (port,) = things["EndpointSlice", "payment-x"]["ports"]
    assert port["port"] == APPLICATION.baseline


@pytest.mark.parametrize("driver", [Driver.GATEWAY_API, Driver.ISTIO])
def test_each_lane_gets_a_route_of_its_own(driver: Driver) -> None:
    made = town(driver, 7).compiled(town(driver, 7).lanes)
    assert len(made.own) == 7
    assert not any(one.blocks for one in made.findings)


def test_a_lane_without_a_ready_copy_gets_none() -> None:
    here = town(Driver.GATEWAY_API, 3)
    assert here.compiled(here.lanes[-1:], is_ready=False).own == ()


def test_with_gateway_api_a_change_writes_one_object_however_many_lanes_there_are() -> None:
    few, many = (last_lane(town(Driver.GATEWAY_API, count)) for count in (1, 50))
    assert (few.objects, many.objects) == (1, 1)
    assert few.bytes == pytest.approx(many.bytes, rel=0.01)


def test_with_istio_a_change_also_writes_the_host_with_the_lines_of_all_lanes() -> None:
    few, many = (last_lane(town(Driver.ISTIO, count)) for count in (10, 20))
    assert (len(many.own), len(many.shared)) == (1, 1)
    lines = [one["name"] for one in many.shared[0]["spec"]["http"] if one.get("delegate")]
    assert len(lines) == 20
    assert many.bytes == size(many.own) + size(many.shared)
    assert many.bytes > 1.5 * few.bytes


def test_at_the_entry_a_line_counts_more_carriers_than_at_an_inner_hop() -> None:
    inner, entry = (last_lane(town(Driver.ISTIO, 5, entered=entered)) for entered in (False, True))
    assert "baggage" not in str(inner.shared)
    assert "baggage" in str(entry.shared)


def test_nothing_that_is_written_is_collected_for_want_of_its_lane() -> None:
    made = town(Driver.ISTIO, 1).compiled(town(Driver.ISTIO, 1).lanes)
    assert all("ownerReferences" in one["metadata"] for one in made.own)
    assert not any("ownerReferences" in unowned(one)["metadata"] for one in made.own)


def test_a_request_by_baggage_is_asked_for_where_baggage_counts() -> None:
    assert "last by baggage" in Case(Driver.ISTIO, entered=True).asked
    assert all("last by baggage" not in case.asked for case in CASES if not case.entered)


def test_a_request_by_baggage_names_no_lane_by_header() -> None:
    site: Any = SimpleNamespace(town=town(Driver.ISTIO, 3), sidecar=SimpleNamespace(address="192.0.2.9"))
    assert b"x-preview-lane" not in mesh.target(site, "last by baggage").request
    assert b"preview-lane=pr-0003" in mesh.target(site, "last by baggage").request
    assert b"x-preview-lane: pr-0001\r\n" in mesh.target(site, "first").request
    assert b"pr-" not in mesh.target(site, "untagged").request


def test_ratios_are_to_one_lane_with_the_same_kind_of_request() -> None:
    found = {row["figure"]: row["value"] for row in mesh.costs(Case(Driver.ISTIO), metered())}
    of = "istio, an inner hop: last: "
    assert found[of + "Envoy's processor time for a request with 1 lane"] == 50
    assert found[of + "processor time with 1,000 lanes to that with 1"] == 3
    assert found[of + "throughput with 1,000 lanes to that with 1"] == pytest.approx(1 / 3)


def test_the_slope_is_what_each_further_lane_adds() -> None:
    (last,) = [
        row
        for row in mesh.slopes(Case(Driver.ISTIO), metered())
        if row["figure"].startswith("istio, an inner hop: last: each further lane adds")
    ]
    assert last["value"] == pytest.approx(100 / 999 * 1e3)  # 100 µs for 999 lanes, in ns


def test_all_that_was_written_is_awaited_in_every_namespace() -> None:
    done: list[str] = []
    row = mesh.settled(Case(Driver.ISTIO), [recorded(count, done) for count in (1, 3)])
    assert done == [
        *("3: gone", "3: baseline answers pr-0003", "3: back", "3: lane-one answers pr-0003"),
        *("1: gone", "1: baseline answers pr-0001", "1: back", "1: lane-one answers pr-0001"),
    ]
    assert row["figure"].startswith("istio, an inner hop: 4 lanes written at once")


def recorded(count: int, done: list[str]) -> Any:
    """A site that notes what is asked of it."""
    return SimpleNamespace(
        town=town(Driver.ISTIO, count),
        unroute_last=lambda: done.append(f"{count}: gone"),
        route_last=lambda: done.append(f"{count}: back"),
        wait_for=lambda lane, who: done.append(f"{count}: {who} answers {lane.name}"),
    )


def metered() -> Any:
    """Costs of 50 µs with one lane, 60 with a hundred and 150 with a thousand."""
    costs = {1: 50.0, 100: 60.0, 1000: 150.0}
    meters = {
        count: SimpleNamespace(costs=[cost] * 4, rates=[1e6 / cost] * 4) for count, cost in costs.items()
    }
    return dict.fromkeys(("first", "last", "untagged"), meters)
