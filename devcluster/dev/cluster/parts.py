"""What runs beside Laneway on a cluster: one pod each, from Laneway's own images, so that nothing else has to
be built. They meet the `restricted` level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devcluster.dev.cluster import shop

Json = dict[str, Any]

PYTHON = "/opt/laneway/bin/python"  # of the image `laneway`


def deployment(name: str, namespace: str, image: str, command: Sequence[str], port: int = 0) -> Json:
    """Ready when the port, if it has one, takes connections. It costs a cluster little: it asks for next to
    nothing, and is gone as soon as it is deleted."""
    container: Json = {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "workingDir": "/tmp",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        "securityContext": shop.RESTRICTED,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    if port:
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    pod = {
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "securityContext": shop.POD_SECURITY,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
    }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service(name: str, namespace: str, app: str, port: int) -> Json:
    """Leads to the pod of a Deployment, at the same port."""
    ports = [{"name": "main", "port": port, "targetPort": port}]
    spec = {"selector": {"app": app}, "ports": ports}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
