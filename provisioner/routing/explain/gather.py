"""Reads what explanations are told from: an edge."""

from __future__ import annotations

from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster, NotFoundError
from provisioner.routing.explain.story import Json, Live

BUILT_IN = ("Service", "EndpointSlice")
OF_MESHES = ("HTTPRoute", "GRPCRoute", "VirtualService")


def live(chain: Chain, cluster: Cluster) -> Live:
    """All that decides about a chain's requests, as it is now. A kind that the cluster does not serve has no
    objects."""
    kinds = BUILT_IN if chain.driver is Driver.ENVOY else (*BUILT_IN, *OF_MESHES)
    found = {
        kind: tuple(one for namespace in chain.namespaces for one in _listed(cluster, kind, namespace))
        for kind in kinds
    }
    lanes = cluster.list("Lane", labels=f"{labels.CHAIN}={chain.name}")
    return Live({**found, "Lane": tuple(lanes), "Release": tuple(_listed(cluster, "Release", ""))})


def _listed(cluster: Cluster, kind: str, namespace: str) -> list[Json]:
    try:
        return cluster.list(kind, namespace)
    except NotFoundError:
        return []
