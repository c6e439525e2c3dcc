"""What attaching writes and detaching puts back, without a cluster."""

from __future__ import annotations

import copy
import json
import re

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import labels
from provisioner.chain.model import Protocol
from provisioner.routing.attached import ports
from provisioner.routing.router import attachment, deployment, eligibility
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.deployment import RouterSettings

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


def test_a_twin_is_nothing_to_restore_though_it_notes_its_listeners():
    assert not attachment.is_noted(attachment.twin(Attachment("shop", service(), {"80": 10001})))


def test_the_twin_of_an_attached_service_is_that_of_the_service_before():
    plain = attachment.twin(Attachment("shop", service(), {"80": 10001}))
    assert attachment.twin(Attachment("shop", attached(service()), {"80": 10001})) == plain


def test_stored_listener_ports_stay_and_new_ones_take_what_is_free():
    services = {"orders": service("orders"), "payment": attached(service("payment"))}
    assert attachment.allocate(services, {}) == {"orders": {"80": 10002}, "payment": {"80": 10001}}


def test_a_listener_of_a_service_that_left_the_chain_is_not_given_to_another():
    left = {"payment": attached(service("payment"))}
    assert attachment.allocate({"orders": service("orders")}, left) == {"orders": {"80": 10002}}


def pod(name="payment", port="web", **status):
    container = {"name": "app", "ports": [{"name": port, "containerPort": 8080}]}
    metadata = {"name": f"{name}-1", "namespace": "shop", "labels": {"app": name}}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": status}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"type": "ExternalName"}, "ExternalName"),
        ({"clusterIP": "None"}, "headless"),
        ({"selector": None}, "no selector"),
        ({"ports": []}, "no ports"),
        ({"ports": [{"port": 53, "protocol": "UDP"}]}, "port 53 is UDP"),
        ({"internalTrafficPolicy": "Local"}, "internalTrafficPolicy"),
        ({"publishNotReadyAddresses": True}, "publishNotReadyAddresses"),
        ({"ipFamilies": ["IPv4", "IPv6"]}, "SingleStack"),
        ({"ports": [{"port": 80, "targetPort": "wbe"}]}, "named wbe, which no container .* they have web"),
    ],
)
def test_what_cannot_be_attached_is_refused_by_name(spec, reason):
    found = eligibility.refusals("shop", ["payment"], {"payment": service(**spec)}, [pod()])
    assert re.search(reason, found["payment"])


def test_every_refused_service_is_named_at_once():
    found = eligibility.refusals("shop", ["payment", "orders"], {"payment": service(clusterIP="None")}, [])
    assert found.keys() == {"payment", "orders"}


def test_a_service_like_most_is_not_refused_attached_or_not():
    for one in (service(), attached(service())):
        assert eligibility.refusals("shop", ["payment"], {"payment": one}, [pod()]) == {}


def test_a_namespace_without_services_may_not_exist():
    assert "does that exist?" in eligibility.refusals("shop", ["payment"], {}, [])["payment"]


def test_a_service_of_another_chain_is_left_to_it():
    other = attachment.switched(Attachment("cafe", service(), {"80": 10001}))
    assert (
        "attached to chain cafe"
        in eligibility.refusals("shop", ["payment"], {"payment": other}, [])["payment"]
    )


def test_pods_that_have_ended_have_no_say_about_port_names():
    ended = pod(port="old", phase="Succeeded")
    assert eligibility.refusals("shop", ["payment"], {"payment": service()}, [ended, pod()]) == {}


def test_two_services_that_lead_to_one_pod_are_paired():
    services = {"payment": service(), "money": service("money", selector={"app": "payment"})}
    services["payment-baseline"] = attachment.twin(Attachment("shop", service(), {"80": 10001}))
    assert eligibility.two_of_one(services, [pod()]) == [("money", "payment"), ("payment", "money")]


def test_a_client_side_apply_that_mixes_the_selectors_is_seen_and_undone():
    """`kubectl apply` adds the owner's labels to the selector and leaves ours: it then selects nothing."""
    mixed = attached(service())
    mixed["spec"]["selector"] |= {"app": "payment"}
    mixed["spec"]["ports"][0]["targetPort"] = "web"
    assert not attachment.is_attached(mixed)
    assert attachment.switched(Attachment("shop", mixed, {"80": 10001})) == attached(service())
    assert attachment.restored(mixed) == service()


def test_a_merged_service_is_mended_and_then_restored_as_its_owner_had_it():
    mixed = attached(service())
    mixed["spec"]["selector"] |= {"app": "money"}
    mixed["spec"]["ports"][0]["targetPort"] = "web"
    mended = attachment.mended(mixed)
    assert attachment.is_attached(mended)
    assert mended["spec"]["ports"][0]["targetPort"] == 10001
    assert attachment.restored(mended)["spec"]["selector"] == {"app": "money"}


def test_what_is_not_broken_is_not_mended():
    annotated = attachment.annotated(Attachment("shop", service(), {"80": 10001}))
    replaced = {**attached(service()), "spec": service()["spec"]}
    noted = attached(service())
    noted["metadata"]["annotations"]["theirs"] = "new"
    for one in (service(), annotated, attached(service()), replaced, noted):
        assert attachment.mended(one) is one


def test_a_port_that_came_later_waits_for_its_listener():
    mixed = attached(service())
    mixed["spec"]["ports"].append({"name": "admin", "port": 81, "targetPort": "admin"})
    mixed["spec"]["selector"] |= {"app": "payment"}
    assert [one["targetPort"] for one in attachment.mended(mixed)["spec"]["ports"]] == [10001, "admin"]


def test_what_the_owner_changes_while_attached_is_what_detaching_leaves():
    changed = attached(service())
    changed["spec"]["selector"] = {"app": "money"}
    changed["spec"]["ports"].append({"name": "admin", "port": 81, "targetPort": "admin"})
    again = attachment.switched(Attachment("shop", changed, {"80": 10001, "81": 10002}))
    found = attachment.restored(again)["spec"]
    assert found["selector"] == {"app": "money"}
    assert [one["targetPort"] for one in found["ports"]] == ["web", "admin"]


def test_a_note_that_somebody_removed_is_recovered_from_the_twin():
    twin = attachment.twin(Attachment("shop", service(), {"80": 10001}))
    bare = attached(service())
    bare["metadata"].pop("annotations")
    with pytest.raises(ValueError, match=r"laneway.dev/original is gone"):
        attachment.restored(bare)
    assert attachment.restored(attachment.recovered(bare, twin)) == service()


targets = st.sampled_from([None, 8080, "web"])


@given(st.lists(targets, min_size=1, max_size=4), notes)
def test_the_patch_on_an_attached_service_gives_back_what_was_there(found, annotations):
    ports = [
        {"name": f"p{place}", "port": 80 + place, **({} if target is None else {"targetPort": target})}
        for place, target in enumerate(found)
    ]
    before = service(ports=ports)
    before["metadata"] |= {"annotations": annotations} if annotations else {}
    listeners = {str(80 + place): 10001 + place for place in range(len(found))}
    after = attachment.switched(Attachment("shop", before, listeners))
    back = jsonpatch.apply_patch(after, json.loads(after["metadata"]["annotations"][labels.RESTORE]))
    if not back["metadata"]["annotations"]:
        del back["metadata"]["annotations"]  # as an API server does
    assert attachment.canonical(back) == attachment.canonical(before)


def test_long_names_fit_and_stay_apart():
    first, second = ("p" * 63, "p" * 62 + "q")
    names = {attachment.twin_name(first), attachment.twin_name(second)}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith("-baseline") for name in names)


def test_router_pods_meet_the_restricted_pod_security_level():
    pod = deployment.deployment("shop", "shop", {10001: "payment:80"}, SETTINGS)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_routers_budget_and_spread_are_about_its_own_pods():
    made = deployment.deployment("shop", "shop", {10001: "payment:80"}, SETTINGS)["spec"]
    marks = made["selector"]["matchLabels"]
    assert marks.items() <= made["template"]["metadata"]["labels"].items()
    assert deployment.budget("shop", "shop")["spec"]["selector"] == {"matchLabels": marks}
    spread = made["template"]["spec"]["topologySpreadConstraints"]
    assert [one["labelSelector"] for one in spread] == [{"matchLabels": marks}] * 2


def test_router_pods_know_the_listeners_they_wait_for():
    made = deployment.deployment("shop", "shop", {10002: "b", 10001: "a"}, SETTINGS)
    environment = made["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LANEWAY_LISTENERS", "value": "10001,10002"} in environment


def test_the_original_is_kept_as_canonical_json():
    note = attached(service())["metadata"]["annotations"][labels.ORIGINAL]
    assert note == attachment.canonical(json.loads(note))
