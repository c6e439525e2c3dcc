"""The drivers for meshes: the one table that a new one is added to; and which releases they can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.chain.model import Chain, Driver
from provisioner.chain.strategy import Provider, Strategy
from provisioner.routing import gateway_api, istio
from provisioner.routing import mesh as contract

MESHES: Mapping[Driver, contract.Driver] = {
    Driver.GATEWAY_API: gateway_api.DRIVER,
    Driver.ISTIO: istio.DRIVER,
}


def mesh(driver: Driver) -> contract.Driver | None:
    """The mesh driver of that name; None for the built-in router, which has discovery instead."""
    return MESHES.get(driver)


def release_refusal(chain: Chain, strategy: Strategy) -> str:
    """Why no release of a chain can run by this strategy, whatever the cluster holds, and what to do; empty
    where one can. Chain files are checked by their grammar; a strategy may have been written by hand."""
    sticky, audience, driver = strategy.sticky, strategy.audience, chain.driver
    if not chain.entry.service:
        return (
            "the chain names no entry.service: which requests a release takes is decided there, and there "
            "alone; name the service at which requests come in"
        )
    if driver is Driver.GATEWAY_API and (sticky.cookie or sticky.header):
        return (
            "routes of the Gateway API cannot keep a user on one version: write sticky: none, by which each "
            "request is decided by itself, or put Laneway's own entry there, by driver: envoy"
        )
    if driver is Driver.GATEWAY_API and audience.cookie:
        return "routes of the Gateway API cannot look at one cookie: name the audience by a header"
    if driver is Driver.ISTIO and sticky.header:
        return (
            "VirtualServices cannot tell users apart by a header of any value: take sticky.header away, and "
            "a cookie does it, or use driver: envoy"
        )
    if mesh(driver) and strategy.analysis and strategy.analysis.provider is Provider.ENVOY:
        return (
            "the counters of Laneway's own Envoys are not there in a mesh: use analysis.provider: prometheus"
        )
    return ""
