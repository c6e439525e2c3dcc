"""The matchers, by driver: the one table that a new one is added to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from provisioner.chain.model import Chain, Driver
from provisioner.routing.explain import envoy, gateway_api, istio
from provisioner.routing.explain.story import Explanation, Live, Request

EXPLAINERS: Mapping[Driver, Callable[[Chain, Live, Request], Explanation]] = {
    Driver.ENVOY: envoy.explain,
    Driver.GATEWAY_API: gateway_api.explain,
    Driver.ISTIO: istio.explain,
}


def explain(chain: Chain, live: Live, request: Request) -> Explanation:
    """Where a request goes and why, by the chain's driver."""
    return EXPLAINERS[chain.driver](chain, live, request)
