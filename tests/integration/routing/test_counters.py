"""Envoy's counters can be read from outside the pod, and nothing else of its admin interface."""

from __future__ import annotations

import pytest

from provisioner.routing.envoy.node import COUNTERS, READY_PORT
from tests.support.routing import get, release, wait_until


def counted(running):
    """Those of the entry's routes."""
    status, headers, body = get(running.envoy.address, READY_PORT, f"{COUNTERS}?filter=vhost.payment.route")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
    return body.decode()


def test_counters_are_read_at_the_port_of_readiness_and_requests_counted_while_a_release_runs(running):
    running.ask()
    assert "baseline" not in counted(running)
    running.store.put(release("v2", 0))
    wait_until(lambda: "baseline" in counted(running), what="the release")
    running.ask()
    ok = 'upstream_rq_xx{envoy_response_code_class="2",envoy_virtual_host="payment",envoy_route="baseline"}'
    assert f"envoy_vhost_route_{ok} 1" in counted(running)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", COUNTERS),
        ("GET", "/stats"),
        ("GET", "/config_dump"),
        ("GET", f"{COUNTERS}/../../quitquitquit"),
        ("POST", "/quitquitquit"),
        ("POST", "/healthcheck/fail"),
        ("POST", "/reset_counters"),
        ("GET", "/"),
    ],
)
def test_nothing_else_is_reached_there(running, method, path):
    assert get(running.envoy.address, READY_PORT, path, method=method)[0] == 404
    assert get(running.envoy.address, READY_PORT, "/ready")[0] == 200
