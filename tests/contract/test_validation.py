"""Bad objects are refused with 422 and the path of every wrong field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.apiserver import Cluster, config_map, deployment, fields, pod, service


def refused(cluster: Cluster, path: str, body: dict[str, Any]) -> list[str]:
    status = cluster.post(path, body, expect=422)
    assert status["reason"] == "Invalid"
    assert status["details"]["kind"] == body["kind"]
    return fields(status)


def container(**changes: Any) -> dict[str, Any]:
    return {"name": "app", "image": "example.invalid/web:1", **changes}


def in_pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return pod(containers=list(containers), **spec)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (in_pod(), ["spec.containers"]),
        (in_pod(container(name="")), ["spec.containers[0].name"]),
        (in_pod(container(name="Not_A_Label")), ["spec.containers[0].name"]),
        (in_pod(container(), container()), ["spec.containers[1].name"]),
        (in_pod(container(image="")), ["spec.containers[0].image"]),
        (in_pod(container(imagePullPolicy="Sometimes")), ["spec.containers[0].imagePullPolicy"]),
        (in_pod(container(ports=[{"containerPort": 0}])), ["spec.containers[0].ports[0].containerPort"]),
        (in_pod(container(ports=[{"containerPort": 70000}])), ["spec.containers[0].ports[0].containerPort"]),
        (
            in_pod(container(ports=[{"containerPort": 1, "name": "far-too-long-a-name"}])),
            ["spec.containers[0].ports[0].name"],
        ),
        (
            in_pod(container(ports=[{"containerPort": 1, "protocol": "HTTP"}])),
            ["spec.containers[0].ports[0].protocol"],
        ),
        (in_pod(container(env=[{"name": "", "value": "1"}])), ["spec.containers[0].env[0].name"]),
        (in_pod(container(env=[{"name": "A=B", "value": "1"}])), ["spec.containers[0].env[0].name"]),
        (
            in_pod(
                container(
                    env=[
                        {"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
                    ]
                )
            ),
            ["spec.containers[0].env[0].valueFrom"],
        ),
        (in_pod(container(livenessProbe={"periodSeconds": 3})), ["spec.containers[0].livenessProbe"]),
        (
            in_pod(container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2})),
            ["spec.containers[0].livenessProbe.successThreshold"],
        ),
        (
            in_pod(container(readinessProbe={"httpGet": {"port": 99999}})),
            ["spec.containers[0].readinessProbe.httpGet.port"],
        ),
        (
            in_pod(container(volumeMounts=[{"name": "absent", "mountPath": "/x"}])),
            ["spec.containers[0].volumeMounts[0].name"],
        ),
        (in_pod(container(), volumes=[{"name": "v"}, {"name": "v"}]), ["spec.volumes[1].name"]),
        (in_pod(container(), restartPolicy="Perhaps"), ["spec.restartPolicy"]),
        (in_pod(container(), dnsPolicy="Perhaps"), ["spec.dnsPolicy"]),
    ],
)
def test_a_bad_pod_is_refused(
    cluster: Cluster, namespace: str, body: dict[str, Any], expected: list[str]
) -> None:
    assert refused(cluster, f"/api/v1/namespaces/{namespace}/pods", body) == expected


@pytest.mark.parametrize("amount", ["1.5.2", "12 Mi", "lots"])
def test_a_malformed_quantity_is_refused(cluster: Cluster, namespace: str, amount: str) -> None:
    body = in_pod(container(resources={"limits": {"memory": amount}}))
    answer = cluster.send("POST", f"/api/v1/namespaces/{namespace}/pods", body, expect=400)
    assert "quantities must match the regular expression" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (deployment(selector={"matchLabels": {"app": "other"}}), ["spec.template.metadata.labels"]),
        (deployment(selector={}), ["spec.selector"]),
        (deployment(replicas=-1), ["spec.replicas"]),
        (deployment(strategy={"type": "Sometimes"}), ["spec.strategy"]),
        (
            deployment(
                strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
            ),
            ["spec.strategy.rollingUpdate.maxUnavailable"],
        ),
        (
            deployment(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "many"}}),
            ["spec.strategy.rollingUpdate.maxSurge"],
        ),
        (
            deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            ["spec.strategy.rollingUpdate"],
        ),
        (deployment(progressDeadlineSeconds=5, minReadySeconds=5), ["spec.progressDeadlineSeconds"]),
    ],
)
def test_a_bad_deployment_is_refused(
    cluster: Cluster, namespace: str, body: dict[str, Any], expected: list[str]
) -> None:
    assert refused(cluster, f"/apis/apps/v1/namespaces/{namespace}/deployments", body) == expected


@pytest.mark.parametrize("missing", ["selector", "template"])
def test_a_deployment_needs_selector_and_template(cluster: Cluster, namespace: str, missing: str) -> None:
    body = deployment()
    del body["spec"][missing]
    wrong = refused(cluster, f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    assert any(path.startswith(f"spec.{missing}") for path in wrong)


def test_a_selector_cannot_change(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.post(path, deployment())
    changed = {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}}}
    status = cluster.patch(f"{path}/web", {"spec": changed}, expect=422)
    assert "spec.selector" in fields(status)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (service(ports=[]), ["spec.ports"]),
        (service(ports=[{"port": 0}]), ["spec.ports[0].port", "spec.ports[0].targetPort"]),
        (service(ports=[{"port": 80}, {"port": 81}]), ["spec.ports[0].name", "spec.ports[1].name"]),
        (service(ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "a"}]), ["spec.ports[1].name"]),
        (service(ports=[{"port": 80, "targetPort": 70000}]), ["spec.ports[0].targetPort"]),
        (service(ports=[{"port": 80, "protocol": "HTTP"}]), ["spec.ports[0].protocol"]),
        (service(type="Magic"), ["spec.type"]),
        (service(sessionAffinity="Always"), ["spec.sessionAffinity"]),
        (service(name="not.a.label"), ["metadata.name"]),
        (service(type="ExternalName"), ["spec.externalName"]),
    ],
)
def test_a_bad_service_is_refused(
    cluster: Cluster, namespace: str, body: dict[str, Any], expected: list[str]
) -> None:
    assert refused(cluster, f"/api/v1/namespaces/{namespace}/services", body) == expected


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"name": "Upper"}, ["metadata.name"]),
        ({"name": "a_b"}, ["metadata.name"]),
        ({"name": "x" * 254}, ["metadata.name"]),
        ({}, ["metadata.name"]),
        ({"name": "a", "labels": {"bad key": "x"}}, ["metadata.labels"]),
        ({"name": "a", "labels": {"key": "not a value"}}, ["metadata.labels"]),
        ({"name": "a", "labels": {"key": "x" * 64}}, ["metadata.labels"]),
        ({"name": "a", "annotations": {"bad key": "x"}}, ["metadata.annotations"]),
        (
            {
                "name": "a",
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": "u"}],
            },
            ["metadata.ownerReferences.name"],
        ),
        ({"name": "a", "finalizers": ["not a name"]}, ["metadata.finalizers", "metadata.finalizers[0]"]),
    ],
)
def test_bad_metadata_is_refused(
    cluster: Cluster, namespace: str, meta: dict[str, Any], expected: list[str]
) -> None:
    body = {**config_map("a"), "metadata": meta}
    assert refused(cluster, f"/api/v1/namespaces/{namespace}/configmaps", body) == expected


def test_a_bad_config_key_is_refused(cluster: Cluster, namespace: str) -> None:
    body = {**config_map("a"), "data": {"bad key": "x"}}
    assert refused(cluster, f"/api/v1/namespaces/{namespace}/configmaps", body) == ["data[bad key]"]


def test_the_refusal_says_what_is_wrong(cluster: Cluster, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    status = cluster.post(path, deployment(replicas=-1), expect=422)
    words = "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    assert status["message"] == f'Deployment.apps "web" is invalid: {words}'
    assert status["details"]["group"] == "apps"
    assert status["details"]["causes"][0]["reason"] == "FieldValueInvalid"


def test_a_running_pods_spec_is_fixed(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    cluster.post(path, pod())
    status = cluster.patch(f"{path}/p", {"spec": {"restartPolicy": "Never"}}, expect=422)
    assert fields(status) == ["spec"]


def test_an_immutable_config_map_stays_as_it_is(cluster: Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    cluster.post(path, {**config_map("a", x="1"), "immutable": True})
    status = cluster.patch(f"{path}/a", {"data": {"x": "2"}}, expect=422)
    assert fields(status) == ["data"]


def test_a_replica_set_without_a_template_is_refused(cluster: Cluster, namespace: str) -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"}, "spec": spec}
    wrong = refused(cluster, f"/apis/apps/v1/namespaces/{namespace}/replicasets", body)
    assert any(path.startswith("spec.template") for path in wrong)
