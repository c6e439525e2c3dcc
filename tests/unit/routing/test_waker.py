"""How the waker names the pod to which Envoy is to pass a request."""

from __future__ import annotations

import pytest

from provisioner.routing.envoy.waking import ENDPOINT
from provisioner.routing.intent import Endpoint
from provisioner.routing.router.waker import passed


@pytest.mark.parametrize(
    ("address", "told"), [("10.0.0.7", "10.0.0.7:8080"), ("fd00::7", "[fd00::7]:8080")], ids=["4", "6"]
)
def test_a_pod_is_named_as_envoy_reads_addresses(address: str, told: str) -> None:
    answer = passed(Endpoint(address, 8080), "pr-4")
    assert answer.dynamic_metadata[ENDPOINT] == told
