"""How a pod becomes an Envoy: from its environment, or with a clear word on what is missing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import ConfigError
from provisioner.routing.envoy import Node
from provisioner.routing.router import launch
from provisioner.routing.router.bootstrap import bootstrap

POD = {
    "LANEWAY_CHAIN": "shop",
    "POD_NAMESPACE": "shop",
    "POD_IP": "192.0.2.1",
    "LANEWAY_LISTENERS": "10002,10001",
}


def test_the_environment_says_who_the_pod_is():
    assert launch.node(POD) == Node("shop", "shop", "192.0.2.1", (10001, 10002))


def test_everything_that_is_missing_is_named_at_once():
    with pytest.raises(ConfigError, match="LANEWAY_CHAIN, POD_IP not set"):
        launch.node({"POD_NAMESPACE": "shop"})


def test_a_port_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="LANEWAY_LISTENERS"):
        launch.node({**POD, "LANEWAY_LISTENERS": "http"})


@pytest.mark.parametrize("text", ["", "router", "router:", ":18000", "router:http"])
def test_a_discovery_address_is_host_and_port(text):
    with pytest.raises(ConfigError, match="LANEWAY_DISCOVERY_ADDRESS"):
        launch.discovery_address({"LANEWAY_DISCOVERY_ADDRESS": text})


def test_a_named_binary_wins():
    assert launch.binary({"LANEWAY_ENVOY_BIN": "/opt/envoy"}) == "/opt/envoy"


ports = st.integers(1, 65535)


@given(st.lists(ports, unique=True).map(sorted).map(tuple), ports)
def test_what_the_bootstrap_says_of_the_node_is_what_discovery_reads(listeners, ready):
    node = Node("shop", "shop", "192.0.2.1", listeners, ready)
    made = json.loads(json.dumps(bootstrap(node, ("router", 18000), "/tmp/admin.sock")))
    assert Node.from_metadata(made["node"]["metadata"]) == node


def test_the_admin_interface_is_on_no_network():
    made = bootstrap(launch.node(POD), ("router", 18000), "/tmp/admin.sock")
    assert list(made["admin"]["address"]) == ["pipe"]
