"""`laneway explain` and `laneway routes`, asked about the scene with each driver."""

from __future__ import annotations

import json

import pytest
import structlog
from typer.testing import CliRunner

from provisioner import cli
from provisioner.errors import InputError
from tests.conformance.cases import REFUSED, WAYS
from tests.conformance.planes import Plane
from tests.conformance.scene import LANES, SERVICES


@pytest.fixture
def laneway(plane: Plane, monkeypatch: pytest.MonkeyPatch):
    """What a command prints; it raises what it would end with."""
    for name, value in plane.settings.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli.build(), arguments)
        structlog.reset_defaults()
        if done.exception:
            raise done.exception
        return done.stdout

    return run


def test_the_way_of_one_request_is_told_with_the_rule_that_decides(plane, driver, laneway):
    told = laneway("explain", plane.place.chain, "pr-4", "payment")
    assert "answers: pr-4, at " in told
    assert "x-preview-lane-served: payment=pr-4" in told
    owner = {"envoy": "Lane ", "gateway-api": "HTTPRoute ", "istio": "VirtualService "}[driver]
    assert owner in told


def test_a_request_without_a_lane_is_the_baselines(plane, laneway):
    assert "answers: baseline, at " in laneway("explain", plane.place.chain, "baseline", "payment")


def test_headers_and_ports_of_the_request_can_be_said(plane, laneway):
    told = laneway(
        *("explain", plane.place.chain, "baseline", "orders", "--port", "8081", "--json"),
        *("--header", "x-preview-lane=pr-4", "--header", "accept=*/*"),
    )
    assert json.loads(told)["who"] == "pr-4"


def test_a_strict_lanes_refusal_is_told_in_its_words(plane, laneway):
    told = laneway("explain", plane.place.chain, "own-unready", "payment")
    assert "answers: none" in told


def test_what_is_not_there_is_said_with_what_comes_close(plane, laneway):
    with pytest.raises(InputError, match=r"no service is called 'paymnt'; did you mean payment"):
        laneway("explain", plane.place.chain, "pr-4", "paymnt")
    with pytest.raises(InputError, match="has no port 81; it has 8080, 8081, 9090"):
        laneway("explain", plane.place.chain, "pr-4", "payment", "--port", "81")
    with pytest.raises(InputError, match="'accept' is no header; write NAME=VALUE"):
        laneway("explain", plane.place.chain, "pr-4", "payment", "--header", "accept")
    with pytest.raises(InputError, match="no lane is called 'pr-44'; did you mean"):
        laneway("routes", plane.place.chain, "pr-44")


def test_the_table_of_routes_has_every_lane_as_requests_meet_it(plane, laneway):
    table = json.loads(laneway("routes", plane.place.chain, "--json"))
    assert set(table) == set(LANES)
    for lane, way in WAYS.items():
        if lane in LANES and "crashed" not in lane:
            met = [table[lane][service].replace("none", REFUSED) for service in SERVICES]
            assert met[: len(way.split())] == way.split()


def test_the_table_of_routes_is_drawn(plane, laneway):
    rows = [line.split() for line in laneway("routes", plane.place.chain).splitlines()]
    assert rows[0] == ["LANE", *SERVICES]
    assert ["child", "baseline", "pr-4", "own", "baseline"] in rows
    assert len(rows) == 1 + len(LANES)
