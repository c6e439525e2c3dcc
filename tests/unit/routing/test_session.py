"""One Envoy's discovery stream: what it is told, in which order, and what it is not told again."""

from __future__ import annotations

from envoy.service.discovery.v3 import discovery_pb2

from provisioner.routing.envoy import CLUSTER, ENDPOINTS, LISTENER, ROUTES, Resource
from provisioner.routing.router.session import Session


def resources(**versions):
    """`cluster_a="1"` is cluster `a` in version 1, and so on."""
    types = {"cluster": CLUSTER, "endpoints": ENDPOINTS, "listener": LISTENER, "routes": ROUTES}
    found = {type_url: {} for type_url in types.values()}
    for key, version in versions.items():
        kind, name = key.split("_")
        found[types[kind]][name] = Resource(types[kind], name, version, b"")
    return found


FULL = resources(cluster_a="1", endpoints_a="1", listener_l="1")


class Envoy:
    """The other side: subscribes, acknowledges, and remembers what it was sent."""

    def __init__(self):
        self.session = Session()
        self.sent = []

    def ask(self, type_url, names=(), has=None):
        self.session.receive(
            discovery_pb2.DeltaDiscoveryRequest(
                type_url=type_url, resource_names_subscribe=names, initial_resource_versions=has or {}
            )
        )

    def answer(self, response, error=""):
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=response.type_url, response_nonce=response.nonce
        )
        if error:
            request.error_detail.message = error
        return self.session.receive(request)

    def settle(self, wanted):
        """Takes everything there is, acknowledging each; gives what was sent, as (type, names, removed)."""
        told = []
        while found := self.session.responses(wanted):
            for response in found:
                kind = response.type_url.rsplit(".", 1)[-1]
                told.append(
                    (kind, [one.name for one in response.resources], list(response.removed_resources))
                )
                self.answer(response)
        return told

    def connected(self, wanted=FULL):
        self.ask(CLUSTER)
        self.ask(ENDPOINTS, ["a"])
        self.ask(LISTENER)
        self.settle(wanted)
        return self


def test_clusters_come_first_then_endpoints_then_listeners():
    envoy = Envoy()
    envoy.ask(LISTENER)
    envoy.ask(CLUSTER)
    envoy.ask(ENDPOINTS, ["a"])
    assert envoy.settle(FULL) == [
        ("Cluster", ["a"], []),
        ("ClusterLoadAssignment", ["a"], []),
        ("Listener", ["l"], []),
    ]


def test_listeners_follow_when_what_came_before_is_acknowledged():
    envoy = Envoy()
    envoy.ask(CLUSTER)
    envoy.ask(LISTENER)
    first = envoy.session.responses(FULL)
    assert [one.type_url for one in first] == [CLUSTER]
    assert envoy.session.responses(FULL) == []
    envoy.answer(first[0])
    assert [one.type_url for one in envoy.session.responses(FULL)] == [LISTENER]


def test_a_cluster_that_is_added_later_gets_its_endpoints_before_it_is_acknowledged():
    """An Envoy that runs keeps its acknowledgement back until they are there; listeners wait for it."""
    envoy = Envoy().connected()
    grown = resources(
        cluster_a="1", cluster_b="1", endpoints_a="1", endpoints_b="1", listener_l="1", listener_m="1"
    )
    (cluster,) = envoy.session.responses(grown)
    envoy.ask(ENDPOINTS, ["b"])
    (endpoints,) = envoy.session.responses(grown)
    assert (endpoints.type_url, [one.name for one in endpoints.resources]) == (ENDPOINTS, ["b"])
    envoy.answer(endpoints)
    assert envoy.session.responses(grown) == []
    envoy.answer(cluster)
    assert envoy.settle(grown) == [("Listener", ["m"], [])]


def test_only_what_changed_is_sent():
    envoy = Envoy().connected()
    assert envoy.settle(FULL) == []
    changed = resources(cluster_a="1", endpoints_a="2", listener_l="1")
    assert envoy.settle(changed) == [("ClusterLoadAssignment", ["a"], [])]


def test_an_envoy_that_comes_back_with_everything_is_sent_nothing():
    envoy = Envoy()
    envoy.ask(CLUSTER, has={"a": "1"})
    envoy.ask(ENDPOINTS, ["a"], has={"a": "1"})
    envoy.ask(LISTENER, has={"l": "1"})
    assert envoy.settle(FULL) == []


def test_an_envoy_that_comes_back_late_is_sent_what_it_missed():
    envoy = Envoy()
    envoy.ask(CLUSTER, has={"a": "1", "gone": "1"})
    envoy.ask(ENDPOINTS, ["a", "gone"], has={"a": "0", "gone": "1"})
    envoy.ask(LISTENER, has={"l": "1", "old": "1"})
    assert envoy.settle(FULL) == [
        ("ClusterLoadAssignment", ["a"], []),
        ("Listener", [], ["old"]),
        ("Cluster", [], ["gone"]),
    ]


def test_a_cluster_goes_after_the_listener_that_used_it():
    envoy = Envoy().connected(
        resources(cluster_a="1", endpoints_a="1", listener_l="1", listener_m="1", cluster_b="1")
    )
    assert envoy.settle(FULL) == [("Listener", [], ["m"]), ("Cluster", [], ["b"])]


def test_a_cluster_that_changed_gets_its_endpoints_again():
    envoy = Envoy().connected()
    changed = resources(cluster_a="2", endpoints_a="1", listener_l="1")
    assert envoy.settle(changed) == [("Cluster", ["a"], []), ("ClusterLoadAssignment", ["a"], [])]


def test_what_was_rejected_is_reported_and_not_sent_again_until_it_changes():
    envoy = Envoy().connected()
    bad = resources(cluster_a="1", endpoints_a="1", listener_l="bad")
    response = envoy.session.responses(bad)[0]
    rejection = envoy.answer(response, error="no such filter")
    assert (rejection.type_url, rejection.message) == (LISTENER, "no such filter")
    assert envoy.settle(bad) == []
    mended = resources(cluster_a="1", endpoints_a="1", listener_l="mended")
    assert envoy.settle(mended) == [("Listener", ["l"], [])]


def test_names_asked_for_later_are_sent_then():
    envoy = Envoy().connected(resources(cluster_a="1", endpoints_a="1", endpoints_b="1", listener_l="1"))
    envoy.ask(ENDPOINTS, ["b"])
    more = resources(cluster_a="1", endpoints_a="1", endpoints_b="1", listener_l="1")
    assert envoy.settle(more) == [("ClusterLoadAssignment", ["b"], [])]


def test_a_name_given_up_is_sent_again_when_asked_for_again():
    envoy = Envoy().connected()
    given_up = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINTS, resource_names_unsubscribe=["a"])
    envoy.session.receive(given_up)
    assert envoy.settle(resources(cluster_a="1", endpoints_a="2", listener_l="1")) == []
    envoy.ask(ENDPOINTS, ["a"])
    assert envoy.settle(FULL) == [("ClusterLoadAssignment", ["a"], [])]


def test_an_old_acknowledgement_acknowledges_nothing():
    envoy = Envoy()
    envoy.ask(CLUSTER)
    envoy.session.responses(FULL)
    envoy.session.receive(discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce="before"))
    assert envoy.session.responses(resources(cluster_a="2")) == []


ENTERED = resources(cluster_a="1", endpoints_a="1", listener_l="1", routes_r="1")


def at_the_entry():
    """An Envoy with a listener whose routes are a resource of their own: it asks for them by name."""
    envoy = Envoy().connected(ENTERED)
    envoy.ask(ROUTES, ["r"])
    assert envoy.settle(ENTERED) == [("RouteConfiguration", ["r"], [])]
    return envoy


def test_routes_come_after_all_that_they_lead_to():
    envoy = Envoy()
    for type_url, names in ((ROUTES, ["r"]), (LISTENER, []), (ENDPOINTS, ["a"]), (CLUSTER, [])):
        envoy.ask(type_url, names)
    kinds = [kind for kind, _, _ in envoy.settle(ENTERED)]
    assert kinds == ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"]


def test_of_a_release_that_takes_more_routes_alone_are_sent():
    envoy = at_the_entry()
    more = resources(cluster_a="1", endpoints_a="1", listener_l="1", routes_r="2")
    assert envoy.settle(more) == [("RouteConfiguration", ["r"], [])]
    assert envoy.settle(more) == []


def test_routes_wait_until_new_endpoints_are_taken():
    """A release's pods are known before the first request is sent to them."""
    envoy = at_the_entry()
    more = resources(cluster_a="1", endpoints_a="2", listener_l="1", routes_r="2")
    (endpoints,) = envoy.session.responses(more)
    assert (endpoints.type_url, envoy.session.responses(more)) == (ENDPOINTS, [])
    envoy.answer(endpoints)
    assert envoy.settle(more) == [("RouteConfiguration", ["r"], [])]


def test_an_envoy_that_comes_back_with_its_routes_is_not_sent_them_again():
    envoy = Envoy()
    envoy.ask(CLUSTER, has={"a": "1"})
    envoy.ask(ENDPOINTS, ["a"], has={"a": "1"})
    envoy.ask(LISTENER, has={"l": "1"})
    envoy.ask(ROUTES, ["r"], has={"r": "1"})
    assert envoy.settle(ENTERED) == []


def test_routes_go_with_their_listener_and_are_never_taken_from_it():
    envoy = at_the_entry()
    without = resources(cluster_a="1", endpoints_a="1")
    assert envoy.settle(without) == [("Listener", [], ["l"])]


def test_an_envoy_has_its_endpoints_when_it_has_acknowledged_the_newest_of_each():
    envoy = Envoy()
    assert not envoy.session.has_endpoints(FULL), "it has not asked yet"
    assert envoy.session.has_endpoints(resources()), "there is nothing to have"
    envoy.connected()
    assert envoy.session.has_endpoints(FULL)
    more = resources(cluster_a="1", endpoints_a="2", listener_l="1")
    assert not envoy.session.has_endpoints(more)
    (response,) = envoy.session.responses(more)
    assert not envoy.session.has_endpoints(more), "it has not answered"
    envoy.answer(response, error="no such field")
    assert envoy.session.has_endpoints(more), "what it refuses nobody waits for"


def test_endpoints_of_a_cluster_that_an_envoy_does_not_have_are_not_waited_for():
    envoy = Envoy().connected()
    assert envoy.session.has_endpoints(resources(cluster_a="1", endpoints_a="1", endpoints_b="1"))
