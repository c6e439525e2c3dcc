"""The drivers for meshes: the one table that a new one is added to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.chain.model import Driver
from provisioner.routing import gateway_api, istio
from provisioner.routing import mesh as contract

MESHES: Mapping[Driver, contract.Driver] = {
    Driver.GATEWAY_API: gateway_api.DRIVER,
    Driver.ISTIO: istio.DRIVER,
}


def mesh(driver: Driver) -> contract.Driver | None:
    """The mesh driver of that name; None for the built-in router, which has discovery instead."""
    return MESHES.get(driver)
