"""The shop of `releaseshop` with Rollouts: `orders` by its own template, `payment` by that of a Deployment.

A model plays their controller, as the real one (1.10) was seen to act: it stops at its steps, clears a
`promoteFull` that comes before it has seen the template, calls a Rollout Healthy before the routes that it
weighs lead to the new version, and does nothing while somebody has paused it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from provisioner.chain.model import Service, WorkloadRef
from provisioner.cluster import Cluster
from tests.support.meshed import definition
from tests.support.releaseshop import ReleaseShop, open_releases

Json = dict[str, Any]

KIND = "Rollout"
TEMPLATES = "payment-template"  # the Deployment that payment's template is in
STEPS = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]
ROUTING = {"istio": {"virtualService": {"name": "orders", "routes": ["primary"]}}}


@dataclass
class RolloutShop(ReleaseShop):
    """`degraded` are images that a Rollout never becomes Healthy with; `seen` is at which step each was when
    its controller wrote."""

    degraded: set[str] = field(default_factory=set)
    seen: list[tuple[str, int]] = field(default_factory=list)

    def rollout(self, name: str) -> Json:
        found = self.cluster.get(KIND, name, self.namespace)
        assert found is not None
        return found

    def templates(self) -> dict[str, str]:
        """The image in the template of each Rollout."""
        found = {"orders": self.rollout("orders"), "payment": self.deployment(TEMPLATES)}
        return {
            name: str(one["spec"]["template"]["spec"]["containers"][0]["image"])
            for name, one in found.items()
        }

    def hold(self, name: str, **spec: Any) -> None:
        """What a person writes into a Rollout's spec."""
        self.cluster.merge(KIND, name, {"spec": spec}, self.namespace)

    def tell(self, name: str, **status: Any) -> None:
        """What `kubectl argo rollouts` writes into its status."""
        self.cluster.merge(KIND, name, {"status": status}, self.namespace, "status")

    def pods(self) -> None:
        super().pods()
        for name in ("orders", "payment"):
            now = self.rollout(name)
            status = self._next(now, now.get("status") or {})
            if status != now.get("status"):
                self.tell(name, **status)
                self.seen.append((name, status["currentStepIndex"]))

    def _next(self, rollout: Json, status: Json) -> Json:
        holder = self.deployment(TEMPLATES) if "workloadRef" in rollout["spec"] else rollout
        generation = str(rollout["metadata"]["generation"])
        told = {"observedGeneration": generation}
        if holder is not rollout:
            told["workloadObservedGeneration"] = str(holder["metadata"]["generation"])
        fresh = any(status.get(key) != value for key, value in told.items())
        now = _hash(holder)
        image = holder["spec"]["template"]["spec"]["containers"][0]["image"]
        if fresh and now != status.get("currentPodHash"):
            told |= {"promoteFull": None, "abort": None, "updatedReplicas": 0, "currentStepIndex": 0}
        found = {**status, **told, "currentPodHash": now}
        found.setdefault("stableRS", now)
        return _acted(rollout, found, broken=image in self.degraded)


def _acted(rollout: Json, status: Json, *, broken: bool) -> Json:
    """What the controller makes of it in one turn."""
    if rollout["spec"].get("paused"):
        return {**status, "phase": "Paused", "message": "manually paused"}
    if status["currentPodHash"] == status["stableRS"]:
        return _healthy(rollout, status)
    if status.get("abort"):
        return {**status, "phase": "Degraded", "message": "RolloutAborted", "updatedReplicas": 0}
    if broken:
        return {**status, "phase": "Degraded", "message": "ProgressDeadlineExceeded", "updatedReplicas": 1}
    if not status.get("promoteFull"):
        told = {"phase": "Paused", "message": "CanaryPauseStep", "currentStepIndex": 1, "updatedReplicas": 1}
        return {**status, **told}
    updated = min(status["updatedReplicas"] + 1, rollout["spec"]["replicas"])
    told = {"phase": "Progressing", "currentStepIndex": len(STEPS), "updatedReplicas": updated}
    if updated == rollout["spec"]["replicas"]:
        told |= {"stableRS": status["currentPodHash"], "promoteFull": None, "phase": "Healthy"}
    return {**status, **told}


def _healthy(rollout: Json, status: Json) -> Json:
    """Its routes lead to the stable version one turn after it has called itself Healthy."""
    wanted = rollout["spec"]["replicas"]
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), wanted)
    routed = "trafficRouting" in rollout["spec"]["strategy"]["canary"]
    stable = {"podTemplateHash": status["stableRS"], "weight": 100}
    weights = {"canary": {"weights": {"stable": stable}}} if routed else {}
    done = {"phase": "Healthy", "message": None, "currentStepIndex": len(STEPS)}
    return {**status, **counts, **weights, **done}


def _hash(holder: Json) -> str:
    text = json.dumps(holder["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:9]


def open_rollouts(folder: Path, cluster: Cluster, name: str) -> RolloutShop:
    """The shop, attached, with all of it Healthy."""
    cluster.apply(definition(KIND), force=True)
    plain = open_releases(folder, cluster, name)
    chain = replace(plain.chain, services=tuple(map(_by_rollout, plain.chain.services)))
    shop = RolloutShop(plain.shop, chain)
    orders, payment = shop.deployment("orders"), shop.deployment("payment")
    cluster.delete("Deployment", "orders", name)
    cluster.delete("Deployment", "payment", name)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": TEMPLATES}
    cluster.apply(_deployment(payment), force=True)
    template = {"selector": orders["spec"]["selector"], "template": orders["spec"]["template"]}
    cluster.apply(_rollout("orders", name, {"trafficRouting": ROUTING}, template), force=True)
    cluster.apply(_rollout("payment", name, {}, {"workloadRef": reference}), force=True)
    shop.pods()
    shop.pods()
    return shop


def _by_rollout(service: Service) -> Service:
    if service.name not in ("orders", "payment"):
        return service
    return replace(service, workload=WorkloadRef(KIND, service.name))


def _deployment(payment: Json) -> Json:
    metadata = {"name": TEMPLATES, "namespace": payment["metadata"]["namespace"]}
    spec = {"replicas": 0, **{key: payment["spec"][key] for key in ("selector", "template")}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _rollout(name: str, namespace: str, canary: Json, more: Json) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 2, "strategy": {"canary": {"steps": STEPS, **canary}}, **more},
    }
