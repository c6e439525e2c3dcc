"""Clusters: the baseline's, and the lanes' in shards. They depend on no lane."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from provisioner.routing.envoy import defaults
from provisioner.routing.envoy.resources import CLUSTER, Resource, from_json

Json = dict[str, Any]

_SHARD = re.compile(r":\d+/lanes/(\d+)$")

# A lane that is not in the cluster falls back to the baseline. Never ANY_ENDPOINT, nor panic over all hosts:
# requests would reach copies of lanes that they do not carry.
SUBSETS: Json = {
    "fallback_policy": "DEFAULT_SUBSET",
    "default_subset": {"lane": "baseline"},
    "subset_selectors": [{"keys": ["lane"]}],
}


def baseline_name(service: str, port: int) -> str:
    return f"{service}:{port}"


def shard_prefix(service: str, port: int) -> str:
    """What precedes the number of a shard in its cluster's name."""
    return f"{baseline_name(service, port)}/lanes/"


def shards_among(names: Iterable[str]) -> int:
    """Over how many clusters of a port lanes are spread, told from all clusters' names; 0 when none is of
    lanes."""
    numbers = (int(found[1]) for name in names if (found := _SHARD.search(name)))
    return max(numbers, default=-1) + 1


def fallback_name(service: str, port: int) -> str:
    """The internal listener that leads to the baseline."""
    return f"{baseline_name(service, port)}/baseline"


def waker_name(service: str, port: int) -> str:
    """The internal listener that holds a request until the copy that it is for is awake."""
    return f"{baseline_name(service, port)}/waker"


def baseline(name: str) -> Resource:
    return from_json(CLUSTER, name, _discovered(name, defaults.BASELINE_CONNECT))


def lanes(name: str) -> Resource:
    return from_json(CLUSTER, name, _discovered(name, defaults.LANE_CONNECT) | {"lb_subset_config": SUBSETS})


def _discovered(name: str, connect: str) -> Json:
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": connect,
        # no time-out for the first endpoints: the cluster waits for them instead of starting empty
        "eds_cluster_config": {
            "eds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
        },
        "circuit_breakers": defaults.circuit_breakers(),
        "typed_extension_protocol_options": defaults.upstream_protocols(),
    }
