"""The kubectl that users have works against devcluster."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.apiserver import Server, deployment, service

Kubectl = Callable[..., str]

PROGRAM = Path(sys.executable).with_name("kubectl")


@pytest.fixture
def kubectl(server: Server, request: pytest.FixtureRequest) -> Kubectl:
    """Run kubectl in a namespace of the case's own; `code` is the exit status that is due."""
    namespace = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].lower().strip("-")
    server.cluster.post("/api/v1/namespaces", {"metadata": {"name": namespace}})

    def run(*arguments: str, stdin: object = None, code: int = 0) -> str:
        command = [str(PROGRAM), "--kubeconfig", str(server.kubeconfig), "-n", namespace, *arguments]
        text = None if stdin is None else yaml.safe_dump_all(stdin if isinstance(stdin, list) else [stdin])
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


def changed() -> list[dict[str, object]]:
    web = deployment(replicas=2)
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "example.invalid/web:2"
    return [web, service()]


def test_apply_creates_configures_and_leaves_alone(kubectl: Kubectl) -> None:
    first = [deployment(), service()]
    assert kubectl("apply", "-f", "-", stdin=first).split() == [
        "deployment.apps/web",
        "created",
        "service/web",
        "created",
    ]
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", stdin=first)
    assert "example.invalid/web:2" in kubectl("diff", "-f", "-", stdin=changed(), code=1)
    said = kubectl("apply", "-f", "-", stdin=changed())
    assert "deployment.apps/web configured" in said
    assert "service/web unchanged" in said
    assert kubectl("diff", "-f", "-", stdin=changed()) == ""


def test_apply_server_side_tells_conflicts(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", stdin=deployment())
    conflict = ("apply", "--server-side", "--field-manager", "other", "-f", "-")
    assert 'conflict with "kubectl": .spec.replicas' in kubectl(
        *conflict, stdin=deployment(replicas=3), code=1
    )
    kubectl(*conflict, "--force-conflicts", stdin=deployment(replicas=3))
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "3"


def test_apply_names_an_unknown_field(kubectl: Kubectl) -> None:
    body = deployment(replicass=1)
    assert 'unknown field "spec.replicass"' in kubectl("apply", "-f", "-", stdin=body, code=1)


def test_get_prints_tables_and_documents(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=[deployment(), service()])
    assert kubectl("get", "deploy").split("\n")[0].split() == [
        "NAME",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "AGE",
    ]
    assert "app=web" in kubectl("get", "svc", "-o", "wide")
    assert json.loads(kubectl("get", "svc", "web", "-o", "json"))["spec"]["ports"][0]["port"] == 80
    assert yaml.safe_load(kubectl("get", "deploy", "web", "-o", "yaml"))["kind"] == "Deployment"
    assert "service/web" in kubectl("get", "all", "-A")
    assert "No resources found" in kubectl("get", "pods", "-l", "app=web")


def test_describe_tells_the_story(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=[deployment(), service()])
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in kubectl(
        "describe", "deploy", "web"
    )
    assert "TargetPort:               80/TCP" in kubectl("describe", "svc", "web")


def test_the_small_writes_work(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    kubectl("label", "deploy", "web", "tier=x")
    kubectl("annotate", "deploy", "web", "note=y")
    kubectl("scale", "deploy", "web", "--replicas", "4")
    kubectl("patch", "deploy", "web", "-p", '{"spec": {"paused": true}}')
    kubectl("patch", "deploy", "web", "--type", "merge", "-p", '{"spec": {"minReadySeconds": 2}}')
    kubectl("patch", "deploy", "web", "--type", "json", "-p", '[{"op": "remove", "path": "/spec/paused"}]')
    found = json.loads(kubectl("get", "deploy", "web", "-o", "json"))
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"tier": "x"}, {"note": "y"})
    assert (found["spec"]["replicas"], found["spec"]["minReadySeconds"], "paused" in found["spec"]) == (
        4,
        2,
        False,
    )


def test_rollout_restart_marks_the_template(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    kubectl("rollout", "restart", "deploy/web")
    marks = json.loads(
        kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.template.metadata.annotations}")
    )
    assert list(marks) == ["kubectl.kubernetes.io/restartedAt"]


def test_wait_sees_a_condition_and_a_deletion(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=deployment())
    kubectl("wait", "--for=jsonpath={.spec.replicas}=0", "deploy/web", "--timeout", "10s")
    kubectl("delete", "deploy", "web")
    kubectl("wait", "--for=delete", "deploy/web", "--timeout", "10s")
    kubectl("get", "deploy", "web", code=1)


def test_what_may_be_done_and_what_there_is(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "deployments" in kubectl("api-resources", "--api-group", "apps")
    assert "rollingUpdate" in kubectl("explain", "deployment.spec.strategy")
    assert "devcluster" in kubectl("version")


def test_a_refusal_names_the_field(kubectl: Kubectl) -> None:
    said = kubectl("apply", "-f", "-", stdin=deployment(selector={"matchLabels": {"app": "other"}}), code=1)
    assert "spec.template.metadata.labels" in said
    assert "`selector` does not match template `labels`" in said
