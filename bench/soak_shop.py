"""The chain that a soak runs on: four services that call each other, made as a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev.system import Asked

Json = dict[str, Any]

SERVICES = ("frontend", "orders", "payment", "logistics")
BASELINE = "baseline"  # the version that everybody's services say
NAMESPACE = "soak"


def make(folder: Path) -> Asked:
    """Writes the chain's file, its manifests and its source below `folder`."""
    for service in SERVICES:
        (folder / service).mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("soak_hop.py"), folder / service / "app.py")
        (folder / service / "version").write_text(BASELINE)
    manifests = folder / "manifests"
    manifests.mkdir()
    for service, following in zip(SERVICES, (*SERVICES[1:], ""), strict=True):
        (manifests / f"{service}.yaml").write_text(yaml.safe_dump_all(_objects(service, following)))
    (folder / "laneway.yaml").write_text(yaml.safe_dump(_chain()))
    return Asked(folder / "laneway.yaml", manifests, folder)


def _chain() -> Json:
    services = {
        name: {
            "paths": [f"{name}/**"],
            "workload": f"Deployment/{name}",
            "image": f"git+{{repository}}@{{sha}}#{name}",
        }
        for name in SERVICES
    }
    return {
        "chain": "soak",
        "namespace": NAMESPACE,
        "repositories": [{"url": "https://git.example.com/acme/soak.git", "name": "acme/soak"}],
        "services": services,
        "entry": {"service": SERVICES[0], "host": "{lane}.soak.localhost"},
    }


def _objects(service: str, following: str) -> tuple[Json, Json]:
    labels = {"app": service}
    about = {"metadata": {"name": service, "labels": labels}}
    ports = [{"name": "http", "port": 8080, "targetPort": "http"}]
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 30, "containers": [_container(service, following)]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return (
        {"apiVersion": "v1", "kind": "Service", **about, "spec": {"selector": labels, "ports": ports}},
        {"apiVersion": "apps/v1", "kind": "Deployment", **about, "spec": spec},
    )


def _container(service: str, following: str) -> Json:
    address = following.upper()
    url = f"http://$({address}_SERVICE_HOST):$({address}_SERVICE_PORT)/" if following else ""
    return {
        "name": service,
        "image": service,
        "command": ["python", "-S", "-E", "app.py"],
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NEXT_URL", "value": url},
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 2},
    }
