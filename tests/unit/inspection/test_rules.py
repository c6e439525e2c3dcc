"""What `laneway check` finds, each on a cluster that is right but for one thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from provisioner import labels
from provisioner.chain.model import Protocol
from provisioner.inspection import rules, server
from provisioner.inspection.findings import Finding, Severity, is_wrong
from provisioner.inspection.gather import KINDS, Seen, Server
from provisioner.routing.router import attachment, backends, deployment, policies
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.policies import Scene
from tests.support.routing import chain

Json = dict[str, Any]
CRDS = Path(__file__).parents[3] / "charts" / "laneway" / "crds"
NAMESPACE = "shop"


def service(name: str = "payment", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    metadata = {"name": name, "namespace": NAMESPACE, "uid": name}
    spec = {"clusterIP": "10.0.0.1", "selector": {"app": "payment"}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def attached(obj: Json) -> Json:
    return attachment.switched(Attachment("shop", obj, {"80": 10001}))


POD_SPEC = {
    "containers": [{"name": "app", "image": "a:1", "ports": [{"name": "web", "containerPort": 8080}]}]
}
POD: Json = {
    "kind": "Pod",
    "metadata": {"name": "payment-1", "namespace": NAMESPACE, "labels": {"app": "payment"}},
    "spec": POD_SPEC,
    "status": {"phase": "Running"},
}
WORKLOAD: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "payment", "namespace": NAMESPACE, "generation": 1},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "payment"}},
        "template": {"metadata": {"labels": {"app": "payment"}}, "spec": POD_SPEC},
    },
}


def router(ready: int = 2) -> Json:
    made = deployment.deployment(
        "shop", NAMESPACE, {10001: "payment:80"}, RouterSettings("e:1", 2, "r:18000")
    )
    return {**made, "status": {"readyReplicas": ready}}


DENY = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
}
GREEN = {
    **POD,
    "metadata": {**POD["metadata"], "name": "payment-2", "labels": {"app": "payment", "green": "yes"}},
}


def cluster(**objects: Any) -> Seen:
    """One that is right, but for the kinds that are given instead."""
    usual = {"Service": [attached(service())], "Deployment": [WORKLOAD, router()], "Pod": [POD]}
    return Seen({(NAMESPACE, kind): tuple((usual | objects).get(kind, ())) for kind in KINDS})


def found(seen: Seen, protocols: Mapping[str, Any] = MappingProxyType({})) -> list[Finding]:
    return rules.findings(chain(protocols=protocols), seen, 18000)


def test_a_cluster_in_which_all_fits_is_told_nothing() -> None:
    assert found(cluster()) == []


CASES: dict[str, tuple[Seen, str, str]] = {
    "a namespace that does not exist": (
        Seen(absent=frozenset({NAMESPACE})),
        "NoNamespace",
        "it does not exist",
    ),
    "a right that is missing": (
        Seen(unread={(NAMESPACE, "Service"): 'cannot list resource "services"'}),
        "Forbidden",
        'cannot list resource "services"',
    ),
    "no such Service": (cluster(Service=[service("other")]), "CannotAttach", "no Service of this name"),
    "a Service with no selector": (cluster(Service=[service(selector=None)]), "CannotAttach", "no selector"),
    "a port name that nobody has": (
        cluster(Service=[service(ports=[{"port": 80, "targetPort": "wbe"}])]),
        "CannotAttach",
        "named wbe",
    ),
    "no such workload": (cluster(Deployment=[router()]), "CannotClone", "no such workload"),
    "a router that is gone": (cluster(Deployment=[WORKLOAD]), "NoRouter", "lead to nobody"),
    "a router of which no pod is ready": (
        cluster(Deployment=[WORKLOAD, router(0)]),
        "RouterNotReady",
        "0 of 2 pods ready",
    ),
    "a NetworkPolicy that came after attaching": (
        cluster(NetworkPolicy=[DENY]),
        "PoliciesChanged",
        "laneway-to-payment no longer fit",
    ),
    "a NetworkPolicy for some pods of a Service": (
        cluster(
            NetworkPolicy=[{**DENY, "spec": {"podSelector": {"matchLabels": {"green": "yes"}}}}],
            Pod=[POD, GREEN],
        ),
        "CannotAttach",
        "some of its pods",
    ),
    "a Service that leads elsewhere": (
        cluster(Service=[attached(service(selector={"app": "money"}))]),
        "CannotClone",
        "no Service selects its pods",
    ),
    "a claim that one pod has for itself": (
        cluster(
            Deployment=[
                {
                    **WORKLOAD,
                    "spec": {
                        **WORKLOAD["spec"],
                        "template": {
                            "metadata": {"labels": {"app": "payment"}},
                            "spec": {
                                **POD_SPEC,
                                "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "disk"}}],
                            },
                        },
                    },
                }
            ],
            PersistentVolumeClaim=[
                {
                    "metadata": {"name": "disk", "namespace": NAMESPACE},
                    "spec": {"accessModes": ["ReadWriteOnce"]},
                }
            ],
        ),
        "CannotClone",
        "ReadWriteOnce",
    ),
    "an entry without HTTP": (
        cluster(Service=[attached(service(ports=[{"name": "tcp-x", "port": 80, "targetPort": "web"}]))]),
        "EntryNotHttp",
        "no HTTP port",
    ),
    "an attachment that somebody wrote over": (
        cluster(Service=[{**attached(service()), "spec": service()["spec"]}]),
        "NotAsAttached",
        "laneway attach shop",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_an_error_that_names_it(case: str) -> None:
    seen, reason, words = CASES[case]
    errors = [one for one in found(seen) if one.severity is Severity.ERROR]
    assert any(one.reason == reason and words in one.message for one in errors), errors


WARNINGS: dict[str, tuple[Seen, str, str]] = {
    "a Service that is not attached yet": (
        cluster(Service=[service()]),
        "NotAttached",
        "laneway attach shop",
    ),
    "a Service that keeps clients with their pod": (
        cluster(Service=[attached(service(sessionAffinity="ClientIP"))]),
        "SessionAffinity",
        "a router's pod",
    ),
    "a Service that keeps traffic from outside on its node": (
        cluster(Service=[attached(service(externalTrafficPolicy="Local"))]),
        "ExternalTrafficPolicy",
        "from outside",
    ),
    "a router of which one pod is ready": (
        cluster(Deployment=[WORKLOAD, router(1)]),
        "RouterNotReady",
        "1 of 2 pods ready",
    ),
    "a Service without pods": (cluster(Pod=[]), "NoPods", "no pod runs"),
    "two Services that select one workload": (
        cluster(Service=[attached(service()), service("money")]),
        "SecondService",
        "Service money leads to the same pods",
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_one_should_know_is_a_warning(case: str) -> None:
    seen, reason, words = WARNINGS[case]
    (only,) = found(seen)
    assert (only.severity, only.reason) == (Severity.WARNING, reason)
    assert words in only.message
    assert not is_wrong([only])


def test_a_protocol_of_a_port_that_is_not_there_is_an_error() -> None:
    (only,) = found(cluster(), {"payment": ((80, Protocol.HTTP), (7000, Protocol.TCP))})
    assert (only.severity, only.reason) == (Severity.ERROR, "NoSuchPort")
    assert only.message == "`protocols` lists 7000, and the Service has 80"


def test_an_entry_whose_ports_the_file_calls_tcp_is_an_error() -> None:
    (only,) = found(cluster(), {"payment": ((80, Protocol.TCP),)})
    assert only.reason == "EntryNotHttp"


def test_additions_that_still_fit_are_told_nothing() -> None:
    backend = backends.backend(Attachment("shop", attached(service()), {"80": 10001}), [POD])
    made = policies.extensions(Scene("shop", NAMESPACE, (backend,), (DENY,), 18000))
    assert found(cluster(NetworkPolicy=[DENY, *made])) == []


def test_everything_wrong_is_said_at_once() -> None:
    seen = cluster(Service=[service(clusterIP="None")], Deployment=[])
    assert {one.reason for one in found(seen)} == {"CannotAttach", "CannotClone"}


# the cluster itself

NEW = {"major": "1", "minor": "36+", "gitVersion": "v1.36.0"}


def definitions() -> dict[str, Json]:
    kinds = {"Lane": "lanes", "Release": "releases"}
    return {kind: yaml.safe_load((CRDS / f"{name}.yaml").read_text()) for kind, name in kinds.items()}


def test_a_cluster_of_now_with_the_charts_definitions_will_do() -> None:
    assert list(server.findings(Server(NEW, definitions()))) == []


def test_a_cluster_older_than_supported_is_told_which_is() -> None:
    old = {"major": "1", "minor": "24", "gitVersion": "v1.24.3"}
    (only,) = server.findings(Server(old, definitions()))
    assert only.reason == "ClusterTooOld"
    assert "v1.24.3" in only.message
    assert "1.29" in only.message


def forget(path: str) -> Callable[[Json], None]:
    *way, last = path.split(".")

    def change(made: Json) -> None:
        schema = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in way:
            schema = schema.get("items", schema)["properties"][part]
        del schema.get("items", schema)["properties"][last]

    return change


@pytest.mark.parametrize(
    ("kind", "path"), [(kind, one) for kind, all_of in server.NEEDED.items() for one in all_of]
)
def test_a_definition_of_an_older_version_is_told_what_it_lacks(kind: str, path: str) -> None:
    made = definitions()
    forget(path)(made[kind])
    (only,) = server.findings(Server(NEW, made))
    assert (only.severity, only.reason) == (Severity.ERROR, "DefinitionTooOld")
    assert path in only.message and f"{kind.lower()}s.laneway.dev" in only.message


@pytest.mark.parametrize("kind", server.NEEDED)
def test_a_cluster_without_a_kind_is_told_how_to_get_it(kind: str) -> None:
    (only,) = server.findings(Server(NEW, {**definitions(), kind: None}))
    assert only.reason == "NotInstalled" and f"it has no {kind}s" in only.message


def test_who_may_not_read_definitions_is_told_so_and_nothing_else() -> None:
    (only,) = server.findings(Server(NEW, {}, "customresourcedefinitions is forbidden"))
    assert (only.severity, only.reason) == (Severity.WARNING, "Unread")


def test_lanes_and_their_copies_are_no_part_of_the_baseline() -> None:
    copy = {**WORKLOAD, "metadata": {**WORKLOAD["metadata"], "labels": {labels.LANE: "pr-4"}}}
    errors = [one.message for one in found(cluster(Deployment=[copy])) if one.severity is Severity.ERROR]
    assert any("no such workload" in one for one in errors)
