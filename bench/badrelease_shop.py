"""The chain that a bad release is tried on, as a folder: `frontend`, where it is entered, and `payment`, of
which another version comes into its repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev.system import Asked

Json = dict[str, Any]

SERVICES = ("frontend", "payment")
OLD, NEW = "1", "2"
NAMESPACE = "trial"


def make(folder: Path) -> Asked:
    """Writes the chain's file, its manifests and its source, all of version OLD, below `folder`."""
    for service in SERVICES:
        (folder / service).mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("badrelease_hop.py"), folder / service / "app.py")
        (folder / service / "version").write_text(OLD)
        (folder / service / "failing").write_text("0")
    manifests = folder / "manifests"
    manifests.mkdir()
    for service, following in (("frontend", "payment"), ("payment", "")):
        (manifests / f"{service}.yaml").write_text(yaml.safe_dump_all(_objects(service, following)))
    (folder / "laneway.yaml").write_text(yaml.safe_dump(_chain()))
    return Asked(folder / "laneway.yaml", manifests, folder)


def ill(repository: Path, failing: float) -> str:
    """The image of a payment of version NEW of whose answers this part is a 500."""
    files = {"payment/version": NEW, "payment/failing": str(failing)}
    data = "".join(
        f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in sorted(files.items())
    )
    stream = (
        "commit refs/heads/new\ncommitter Bench <bench@example.invalid> 1700000000 +0000\n"
        f"data 1\nx\nfrom refs/heads/main^0\n{data}"
    )
    _git(repository, stream, "fast-import", "--quiet", "--force")
    return f"git+{repository}@{_git(repository, '', 'rev-parse', 'refs/heads/new')}#payment"


def _git(repository: Path, words: str, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments], input=words, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


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
        "chain": "trial",
        "namespace": NAMESPACE,
        "repositories": [{"url": "https://git.example.com/acme/trial.git", "name": "acme/trial"}],
        "services": services,
        "entry": {"service": SERVICES[0], "host": "{lane}.trial.localhost"},
    }


def _objects(service: str, following: str) -> tuple[Json, Json]:
    labels = {"app": service}
    about = {"metadata": {"name": service, "labels": labels}}
    ports = [{"name": "http", "port": 8080, "targetPort": "http"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": [_container(service, following)]}}
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
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
    }
