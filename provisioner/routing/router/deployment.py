"""The router's pods as Kubernetes is asked for them, and what keeps enough of them running. Pure.

They meet the `restricted` Pod Security level, need no credentials, and write only below /tmp. They are spread
over nodes and zones as far as there are several, and a drained node takes one of them at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.errors import ConfigError
from provisioner.routing.envoy.node import READY_PORT
from provisioner.routing.router.naming import fitted

Json = dict[str, Any]

ROUTER = "router"  # the value of labels.ROLE
DRAIN_SECONDS = 15  # how long open connections get when a pod ends
END_SECONDS = DRAIN_SECONDS + 10
USER = 65532  # the user of the image; said here as well, since an image may not say one by number
WARM = "/etc/laneway/warm"  # where the pods find what the router knew last
SPREAD = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


@dataclass(frozen=True)
class RouterSettings:
    """What an installation decides about its routers."""

    image: str
    replicas: int
    discovery_address: str
    home: str = ""  # the namespace of Laneway's workers, who read the counters of releases; empty: none do

    @property
    def discovery_port(self) -> int:
        """ConfigError when the address has none."""
        _, _, port = self.discovery_address.rpartition(":")
        if not port.isdigit():
            raise ConfigError(
                f"{self.discovery_address!r} is not HOST:PORT", where="LANEWAY_DISCOVERY_ADDRESS"
            )
        return int(port)


def name(chain: str) -> str:
    return fitted(f"laneway-router-{chain}")


def marks(chain: str) -> dict[str, str]:
    """The labels of a chain's router pods, which the attached Services select."""
    return {labels.CHAIN: chain, labels.ROLE: ROUTER}


def deployment(chain: str, namespace: str, listeners: Mapping[int, str], settings: RouterSettings) -> Json:
    """The router of a chain in one namespace; `listeners` are its ports, each with what it is for."""
    return {
        **_head("apps/v1", "Deployment", chain, namespace),
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": marks(chain)},
            # a pod leaves only when its successor has its configuration
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": {**labels.of_chain(chain), **marks(chain)}},
                "spec": _pod(chain, listeners, settings),
            },
        },
    }


def budget(chain: str, namespace: str) -> Json:
    """At most one pod of the router is taken away at a time, also where there is only one."""
    return {
        **_head("policy/v1", "PodDisruptionBudget", chain, namespace),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": marks(chain)}},
    }


def memory(chain: str, namespace: str) -> Json:
    """Where the router keeps what its pods start with while it cannot be reached; the data is its own."""
    return _head("v1", "ConfigMap", chain, namespace)


def _head(api_version: str, kind: str, chain: str, namespace: str) -> Json:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name(chain),
            "namespace": namespace,
            "labels": {**labels.of_chain(chain), **marks(chain)},
        },
    }


def _pod(chain: str, listeners: Mapping[int, str], settings: RouterSettings) -> Json:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": END_SECONDS,
        "topologySpreadConstraints": [_spread(chain, key) for key in SPREAD],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(chain, listeners, settings)],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "warm", "configMap": {"name": name(chain), "optional": True}},
        ],
    }


def _spread(chain: str, key: str) -> Json:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": marks(chain)},
        "matchLabelKeys": ["pod-template-hash"],
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
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "warm", "mountPath": WARM, "readOnly": True},
        ],
    }


def _environment(chain: str, listeners: list[int], settings: RouterSettings) -> list[Json]:
    fixed = {
        "LANEWAY_CHAIN": chain,
        "LANEWAY_DISCOVERY_ADDRESS": settings.discovery_address,
        "LANEWAY_LISTENERS": ",".join(str(port) for port in listeners),
        "LANEWAY_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "LANEWAY_WARM": WARM,
    }
    fields = {"POD_IP": "status.podIP", "POD_NAMESPACE": "metadata.namespace"}
    return [
        *({"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()),
        *({"name": key, "value": value} for key, value in fixed.items()),
    ]
