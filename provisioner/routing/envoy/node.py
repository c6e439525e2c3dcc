"""Which router is asking: what `laneway envoy` writes into Envoy's node metadata and discovery reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

READY_PORT = 10000  # of the readiness probe and of counters; Services' listener ports follow it
COUNTERS = "/stats/prometheus"  # the path of Envoy's counters at that port
FIRST_LISTENER = 10001
DISCOVERY = "laneway-discovery"  # the cluster in each bootstrap that leads to `laneway router`
ADMIN = "laneway-admin"  # the one that leads to Envoy's own admin interface


@dataclass(frozen=True)
class Node:
    """One router pod. `listeners` are the ports that it must have before it is ready; `shards` over how many
    clusters of a port its lanes are spread already, 0 when it has none yet."""

    chain: str
    namespace: str
    address: str  # the pod's own: what its listeners bind
    listeners: tuple[int, ...] = ()
    ready_port: int = READY_PORT
    shards: int = 0

    def metadata(self) -> dict[str, Any]:
        """As Envoy's bootstrap takes it: text only, since protobuf's Struct has no whole numbers."""
        return {
            "chain": self.chain,
            "namespace": self.namespace,
            "address": self.address,
            "listeners": ",".join(str(port) for port in self.listeners),
            "ready_port": str(self.ready_port),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Node:
        """Raises KeyError or ValueError when the metadata is not of a Laneway router."""
        return cls(
            chain=str(metadata["chain"]),
            namespace=str(metadata["namespace"]),
            address=str(metadata["address"]),
            listeners=parse_listeners(str(metadata.get("listeners", ""))),
            ready_port=int(metadata.get("ready_port", READY_PORT)),
        )


def parse_listeners(text: str) -> tuple[int, ...]:
    """Ports from `10001,10002`; ValueError for anything else."""
    return tuple(sorted(int(part) for part in text.split(",") if part))
