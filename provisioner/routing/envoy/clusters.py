"""Clusters: the baseline's, and the lanes' in shards. They depend on no lane."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from provisioner.chain.model import Warmup
from provisioner.routing.envoy import defaults
from provisioner.routing.envoy.resources import CLUSTER, Resource, from_template

Json = dict[str, Any]

_SHARD = re.compile(r":\d+/lanes/(\d+)$")

# A lane that is not in the cluster falls back to the baseline. Never ANY_ENDPOINT, nor panic over all hosts:
# requests would reach copies of lanes that they do not carry.
SUBSETS: Json = {
    "fallback_policy": "DEFAULT_SUBSET",
    "default_subset": {"lane": "baseline"},
    "subset_selectors": [{"keys": ["lane"]}],
    # a pod that answers for several lanes is one endpoint that lists them
    "list_as_any": True,
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


def missing_name(service: str, port: int) -> str:
    """The internal listener that answers for the copies that strict lanes lack."""
    return f"{baseline_name(service, port)}/missing"


def baseline(name: str, warmup: Warmup | None) -> Resource:
    return from_template(CLUSTER, name, _discovered(defaults.BASELINE_CONNECT, warmup))


def lanes(name: str, warmup: Warmup | None) -> Resource:
    fields = _discovered(defaults.LANE_CONNECT, warmup) | {"lb_subset_config": SUBSETS}
    return from_template(CLUSTER, name, fields)


def _discovered(connect: str, warmup: Warmup | None) -> Json:
    return {
        "type": "EDS",
        "connect_timeout": connect,
        # no time-out for the first endpoints: the cluster waits for them instead of starting empty
        "eds_cluster_config": {
            "eds_config": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
        },
        "circuit_breakers": defaults.circuit_breakers(),
        "typed_extension_protocol_options": defaults.upstream_protocols(),
        **(_eased_in(warmup) if warmup else {}),
    }


def _eased_in(warmup: Warmup) -> Json:
    """An endpoint is new from when it was told, and shares are of what the others of its lane have."""
    slow_start = {
        "slow_start_window": f"{warmup.duration.total_seconds():g}s",
        "aggression": {"default_value": warmup.aggression, "runtime_key": "laneway.unused"},
        "min_weight_percent": {"value": warmup.minimum_percent},
    }
    return {"lb_policy": "ROUND_ROBIN", "round_robin_lb_config": {"slow_start_config": slow_start}}
