"""What attaching writes and detaching puts back, without a cluster."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import labels
from provisioner.routing.intent import Protocol, ports
from provisioner.routing.router import attachment, deployment
from provisioner.routing.router.attachment import Attachment, CannotAttachError
from provisioner.routing.router.deployment import RouterSettings
from tests.support.routing import chain

SETTINGS = RouterSettings("example/envoy:1", 2, "router.laneway:18000")


def service(name="payment", **spec):
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7"},
        "spec": {"clusterIP": "10.0.0.1", "selector": {"app": name}, "ports": ports, **spec},
    }


def attached(obj):
    return attachment.switched(Attachment("shop", obj, {"80": 10001}))


def test_an_attached_service_keeps_its_address_and_leads_to_the_router():
    found = attached(service())["spec"]
    assert found["clusterIP"] == "10.0.0.1"
    assert found["selector"] == {labels.CHAIN: "shop", labels.ROLE: "router"}
    assert [(one["port"], one["targetPort"]) for one in found["ports"]] == [(80, 10001)]


def test_attaching_twice_changes_nothing_the_second_time():
    once = attached(service())
    assert attached(once) == once


texts = st.text(max_size=20)
notes = st.dictionaries(texts, texts, max_size=3)


@given(notes, notes, st.sampled_from([None, 8080, "web"]))
def test_detaching_gives_back_what_was_there(marks, annotations, target):
    before = service()
    before["metadata"] |= {
        key: value for key, value in (("labels", marks), ("annotations", annotations)) if value
    }
    before["spec"]["ports"][0].pop("targetPort")
    before["spec"]["ports"][0] |= {} if target is None else {"targetPort": target}
    untouched = copy.deepcopy(before)
    found = attachment.restored(attached(before))
    assert attachment.canonical(found) == attachment.canonical(untouched)


def test_detaching_keeps_what_others_wrote_meanwhile():
    between = attached(service())
    between["metadata"]["labels"] = {"team": "money"}
    between["spec"]["sessionAffinity"] = "ClientIP"
    found = attachment.restored(between)
    assert found["metadata"]["labels"] == {"team": "money"}
    assert found["spec"]["sessionAffinity"] == "ClientIP"
    assert found["spec"]["selector"] == {"app": "payment"}


def test_detaching_what_is_not_attached_changes_nothing():
    assert attachment.restored(service()) == service()


def test_an_interrupted_attachment_still_leads_to_the_baseline():
    found = attachment.annotated(Attachment("shop", service(), {"80": 10001}))
    assert found["spec"] == service()["spec"]
    assert attachment.restored(found) == service()


def test_the_twin_keeps_selector_and_ports_and_is_what_the_router_reads():
    twin = attachment.twin(Attachment("shop", service(), {"80": 10001}))
    assert twin["spec"]["clusterIP"] == "None"
    assert twin["spec"]["selector"] == {"app": "payment"}
    assert [(one.number, one.listener, one.protocol) for one in ports(twin)] == [(80, 10001, Protocol.HTTP)]


def test_the_twin_of_an_attached_service_is_that_of_the_service_before():
    plain = attachment.twin(Attachment("shop", service(), {"80": 10001}))
    assert attachment.twin(Attachment("shop", attached(service()), {"80": 10001})) == plain


def test_stored_listener_ports_stay_and_new_ones_take_what_is_free():
    services = {"orders": service("orders"), "payment": attached(service("payment"))}
    assert attachment.allocate(services) == {"orders": {"80": 10002}, "payment": {"80": 10001}}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"type": "ExternalName"}, "ExternalName"),
        ({"clusterIP": "None"}, "headless"),
        ({"selector": None}, "no selector"),
        ({"ports": []}, "no ports"),
        ({"ports": [{"port": 53, "protocol": "UDP"}]}, "port 53 is not TCP"),
    ],
)
def test_what_cannot_be_attached_is_refused_by_name(spec, reason):
    with pytest.raises(CannotAttachError, match=f"payment: .*{reason}"):
        attachment.attachments(chain(), "shop", {"payment": service(**spec)})


def test_every_refused_service_is_named_at_once():
    with pytest.raises(CannotAttachError, match=r"orders: there is no Service.*payment: it is headless"):
        attachment.attachments(chain(["payment", "orders"]), "shop", {"payment": service(clusterIP="None")})


def test_long_names_fit_and_stay_apart():
    first, second = ("p" * 63, "p" * 62 + "q")
    names = {attachment.twin_name(first), attachment.twin_name(second)}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith("-baseline") for name in names)


def test_router_pods_meet_the_restricted_pod_security_level():
    pod = deployment.deployment(chain(), "shop", {10001: "payment:80"}, SETTINGS)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_router_pods_know_the_listeners_they_wait_for():
    made = deployment.deployment(chain(), "shop", {10002: "b", 10001: "a"}, SETTINGS)
    environment = made["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LANEWAY_LISTENERS", "value": "10001,10002"} in environment


def test_the_original_is_kept_as_canonical_json():
    note = attached(service())["metadata"]["annotations"][labels.ORIGINAL]
    assert note == attachment.canonical(json.loads(note))
