"""Which releases a chain's driver cannot do, told before anything is written, and after."""

from __future__ import annotations

import pytest

from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain, Driver
from provisioner.chain.strategy import Analysis, Audience, Provider, Sticky, Strategy
from provisioner.routing import drivers
from provisioner.routing.gateway_api import DRIVER
from provisioner.routing.mesh import NOT_SHARED, Finding, unshared

NOBODY_KEPT = Sticky("")
COUNTERS = Analysis(provider=Provider.ENVOY)


def chain(driver: Driver, entry: str = "entry: {service: web}") -> Chain:
    sticky = "none" if driver is Driver.GATEWAY_API else "{}"
    return parse(
        "chain: shop\nnamespace: shop\nrepositories: [{url: 'https://x.example/acme/shop'}]\n"
        "services: {web: {paths: ['web/**'], workload: Deployment/web, image: 'web:{sha}'}}\n"
        f"{entry}\nrouting: {{driver: {driver}}}\nrelease: {{sticky: {sticky}}}\n",
        "laneway.yaml",
    )


@pytest.mark.parametrize(
    ("driver", "strategy", "said"),
    [
        (Driver.GATEWAY_API, Strategy(), "cannot keep a user on one version: write sticky: none"),
        (Driver.GATEWAY_API, Strategy(sticky=Sticky("", "x-user")), "cannot keep a user on one version"),
        (
            Driver.GATEWAY_API,
            Strategy(sticky=NOBODY_KEPT, audience=Audience("", "", "beta", "1")),
            "cannot look at one cookie: name the audience by a header",
        ),
        (Driver.ISTIO, Strategy(sticky=Sticky(header="x-user")), "take sticky.header away"),
        (Driver.ISTIO, Strategy(analysis=COUNTERS), "use analysis.provider: prometheus"),
        (
            Driver.GATEWAY_API,
            Strategy(sticky=NOBODY_KEPT, analysis=COUNTERS),
            "analysis.provider: prometheus",
        ),
    ],
)
def test_what_a_driver_cannot_do_is_refused_with_what_to_do(
    driver: Driver, strategy: Strategy, said: str
) -> None:
    assert said in drivers.release_refusal(chain(driver), strategy)


@pytest.mark.parametrize("driver", list(Driver))
def test_a_release_is_decided_where_the_chain_is_entered_and_nowhere_else(driver: Driver) -> None:
    assert "names no entry.service" in drivers.release_refusal(chain(driver, ""), Strategy())


@pytest.mark.parametrize(
    ("driver", "strategy"),
    [
        (Driver.ENVOY, Strategy(sticky=Sticky(header="x-user"), analysis=COUNTERS)),
        (Driver.ISTIO, Strategy(audience=Audience("x-tester", "1", "beta", "1"))),
        (Driver.GATEWAY_API, Strategy(sticky=NOBODY_KEPT, audience=Audience("x-tester", "1"))),
    ],
)
def test_what_it_can_do_is_not(driver: Driver, strategy: Strategy) -> None:
    assert drivers.release_refusal(chain(driver), strategy) == ""


def test_what_is_in_the_way_of_a_release_is_told_from_what_is_not() -> None:
    found = [
        Finding("web", NOT_SHARED, "no room"),
        Finding("web", "WarmupOfBaseline", "is cold"),
        Finding("payment", "HttpRoute", "is in the way", blocks=True),
        Finding("ledger", "HttpRoute", "is in nobody's way", blocks=True),
        Finding("", "NotServed", "is not there", blocks=True),
    ]
    assert unshared(found, {"web", "payment"}) == "no room; is in the way; is not there"
    assert unshared(found[1:2], {"web", "payment"}) == ""


@pytest.mark.parametrize(
    ("name", "controller", "known"),
    [
        ("web--spring.8080-share", "istio.io/mesh-controller", True),
        ("web--spring.8080-share.01", "gateway.envoyproxy.io/gatewayclass-controller", True),
        ("web--spring.8080-share", "example.com/proxy", False),
        ("web--spring.8080-share.01", "example.com/proxy", False),
        ("web--spring.8080", "example.com/proxy", True),
    ],
)
def test_a_share_has_an_effect_only_where_an_envoy_heeds_it(name: str, controller: str, known: bool) -> None:
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted"}
    route = {
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": "shop", "labels": {"laneway.dev/service": "web"}},
        "status": {"parents": [{"controllerName": controller, "conditions": [accepted]}]},
    }
    said = DRIVER.accepted(route)
    if known:
        assert said is None
    else:
        assert said is not None and said.reason == NOT_SHARED and controller in said.message
