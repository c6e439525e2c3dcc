"""The router's pods as Kubernetes is asked for them. Pure.

They meet the `restricted` Pod Security level, need no credentials, and write only below /tmp.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.routing.envoy.node import READY_PORT
from provisioner.routing.router.naming import fitted

Json = dict[str, Any]

ROUTER = "router"  # the value of labels.ROLE
DRAIN_SECONDS = 15  # how long open connections get when a pod ends
END_SECONDS = DRAIN_SECONDS + 10


@dataclass(frozen=True)
class RouterSettings:
    """What an installation decides about its routers."""

    image: str
    replicas: int
    discovery_address: str


def name(chain: str) -> str:
    return fitted(f"laneway-router-{chain}")


def marks(chain: str) -> dict[str, str]:
    """The labels of a chain's router pods, which the attached Services select."""
    return {labels.CHAIN: chain, labels.ROLE: ROUTER}


def deployment(chain: Chain, namespace: str, listeners: Mapping[int, str], settings: RouterSettings) -> Json:
    """The router of a chain in one namespace; `listeners` are its ports, each with what it is for."""
    selector = marks(chain.name)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name(chain.name),
            "namespace": namespace,
            "labels": {**labels.of_chain(chain.name), **selector},
        },
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": selector},
            # a pod leaves only when its successor has its configuration
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {**labels.of_chain(chain.name), **selector}},
                "spec": _pod(chain.name, listeners, settings),
            },
        },
    }


def _pod(chain: str, listeners: Mapping[int, str], settings: RouterSettings) -> Json:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": END_SECONDS,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(chain, listeners, settings)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }


def _container(chain: str, listeners: Mapping[int, str], settings: RouterSettings) -> Json:
    return {
        "name": "envoy",
        "image": settings.image,
        "command": ["laneway", "envoy"],
        "env": _environment(chain, sorted(listeners), settings),
        "ports": [{"name": "ready", "containerPort": READY_PORT, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/ready", "port": READY_PORT, "scheme": "HTTP"},
            "periodSeconds": 1,
            "failureThreshold": 2,
        },
        "lifecycle": {"preStop": {"exec": {"command": ["laneway", "envoy", "--drain"]}}},
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _environment(chain: str, listeners: list[int], settings: RouterSettings) -> list[Json]:
    fixed = {
        "LANEWAY_CHAIN": chain,
        "LANEWAY_DISCOVERY_ADDRESS": settings.discovery_address,
        "LANEWAY_LISTENERS": ",".join(str(port) for port in listeners),
        "LANEWAY_DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    fields = {"POD_IP": "status.podIP", "POD_NAMESPACE": "metadata.namespace"}
    return [
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()),
        *({"name": key, "value": value} for key, value in fixed.items()),
    ]
