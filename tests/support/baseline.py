"""Builds the objects of a small baseline and of a lane over it, as a cluster would hand them out."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.chain.model import Chain, Entry, Service, WorkloadRef
from provisioner.changes import Cause, Verdict
from provisioner.copies import plan
from provisioner.lane.model import Lane, Member, Mode

Json = dict[str, Any]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED = "2026-01-02T03:04:00Z"
SHA = "1" * 40


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def service(name: str = "payment", kind: str = "Deployment", **changes: Any) -> Service:
    """A service of the chain; its workload has its name."""
    parts: Json = {"image": f"registry/{name}:{{sha}}", "namespace": "shop", "paths": (f"{name}/**",)}
    return Service(name, WorkloadRef(kind, name), **parts | changes)


def chain(*services: Service) -> Chain:
    return Chain("shop", (), services or (service(),), entry=Entry("payment", "{lane}.preview.example.com"))


def member(sha: str = SHA, pull: int = 42) -> Member:
    return Member("acme/shop", "payment-fast", sha, pull, NOW)


def lane(
    *members: Member, status: Json | None = None, mode: Mode = Mode.LOOSE, uid: str = "lane-uid"
) -> Lane:
    return Lane(
        "shop",
        "pr-42",
        members or (member(),),
        mode=mode,
        uid=uid,
        resource_version="7",
        generation=2,
        created=NOW,
        status=status or {},
    )


def verdict(name: str = "payment", in_lane: bool = True) -> Verdict:
    if in_lane:
        return Verdict(name, True, Cause.CHANGED, f"{name}/app.py matches {name}/**", "acme/shop#42")
    return Verdict(name, False, Cause.UNCHANGED, f"none of 2 changed paths matches {name}/**", "")


def wanted(one: Service | None = None, image: str = "registry/payment:new") -> plan.Wanted:
    one = one or service()
    return plan.Wanted(one, image, verdict(one.name))


def deployment(name: str = "payment", kind: str = "Deployment", **spec: Any) -> Json:
    own: Json = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": f"{name}-uid", "generation": 3, "labels": own},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": own},
            "template": {
                "metadata": {"labels": dict(own)},
                "spec": {"containers": [{"name": "app", "image": f"registry/{name}:old"}]},
            },
            **spec,
        },
    }


def kube_service(name: str = "payment", selector: Json | None = None, **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "nodePort": 30080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "uid": f"{name}-service"},
        "spec": {"clusterIP": "10.0.0.7", "selector": selector or {"app": name}, "ports": ports, **spec},
    }


def snapshot(*names: str, owned: Iterable[Json] = (), pods: Iterable[Json] = ()) -> plan.Snapshot:
    """A baseline of one Deployment and one Service for each name."""
    names = names or ("payment",)
    return plan.Snapshot(
        None,
        workloads=tuple(deployment(name) for name in names),
        services=tuple(kube_service(name) for name in names),
        owned=tuple(owned),
        pods=tuple(pods),
    )


def applied(made: plan.Plan, **status: Any) -> tuple[Json, ...]:
    """What the cluster holds after a plan: with what a server adds, and workloads with that status."""
    return tuple(_stored(write.body, status) for write in made.writes)


def _stored(body: Json, status: Json) -> Json:
    stored = deepcopy(body)
    stored["metadata"] |= {
        "uid": f"{body['kind']}-{body['metadata']['name']}",
        "resourceVersion": "12",
        "generation": 1,
        "creationTimestamp": CREATED,
        "managedFields": [{"manager": "laneway", "operation": "Apply"}],
    }
    if body["kind"] == "Service":
        stored["spec"] |= {"type": "ClusterIP", "clusterIPs": ["None"], "sessionAffinity": "None"}
    else:
        stored["spec"] |= {"revisionHistoryLimit": 10}
        stored["spec"]["template"]["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
        stored["status"] = status
    return stored


def rolled_out(**changes: Any) -> Json:
    """The status of a workload of one pod that runs its newest revision."""
    return {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1} | changes


def starting(**changes: Any) -> Json:
    return {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1} | changes


def pod(container: Json | None = None, *, revision: str = "a", created: str = CREATED, **status: Any) -> Json:
    """A pod of the copy of payment; `container` is the status of its one container."""
    of_container = {"name": "app", "image": "registry/payment:new", "restartCount": 0, "ready": False}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"payment--pr-42-{revision}",
            "namespace": "shop",
            "creationTimestamp": created,
            "labels": {"laneway.dev/service": "payment", "pod-template-hash": revision},
        },
        "spec": {"containers": [{"name": "app", "image": "registry/payment:new"}]},
        "status": {"containerStatuses": [of_container | container] if container else [], **status},
    }


def waiting(reason: str, message: str = "") -> Json:
    return {"state": {"waiting": {"reason": reason, "message": message}}}
