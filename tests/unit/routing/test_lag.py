"""How long Envoys lack what they should have."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import REGISTRY

from provisioner.routing.envoy import Node
from provisioner.routing.router.lag import Lags

NODE = Node("lagging", "shop", "10.0.0.1")


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def shown() -> float | None:
    labels = {"chain": NODE.chain, "envoy_namespace": NODE.namespace}
    return REGISTRY.get_sample_value("laneway_router_config_age_seconds", labels)


def test_the_envoy_that_lacks_something_for_longest_is_shown() -> None:
    clock = Clock()
    lags = Lags(clock)
    first, second = lags.of(NODE), lags.of(NODE)
    assert shown() == 0
    first.begins()
    clock.seconds = 5
    second.begins()
    first.begins()  # more was sent before the first was taken
    clock.seconds = 7
    assert shown() == 7
    first.ends()
    assert shown() == 2
    del second
    assert shown() == 0
