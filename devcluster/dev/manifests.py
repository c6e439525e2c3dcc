"""A chain's manifests, ready for the embedded cluster: images of one commit; pure but for `read`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from provisioner.chain.model import Chain, Service

Json = dict[str, Any]

# applied before the others, since a pod learns of Services at its start
FIRST = ("Namespace", "ServiceAccount", "ConfigMap", "Secret", "Service")


def read(folder: Path) -> list[Json]:
    """Every object in a folder's YAML files. Raises ValueError that names the file with something else."""
    objects = []
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        for one in _documents(file):
            if not isinstance(one, dict) or "kind" not in one or "metadata" not in one:
                raise ValueError(f"{file}: expected Kubernetes objects with `kind` and `metadata`")
            objects.append(one)
    return objects


def _documents(file: Path) -> list[Any]:
    """What a file holds, without empty documents."""
    try:
        return [one for one in yaml.safe_load_all(file.read_text()) if one is not None]
    except yaml.YAMLError as error:
        raise ValueError(f"{file}: not YAML: {error}") from error


def prepare(objects: Iterable[Json], chain: Chain, repository: str, sha: str) -> list[Json]:
    """The objects in the order to apply them, each service's workload with its image at `sha`."""
    images = {
        (service.workload.kind, service.workload.name): (service, _image(service, repository, sha))
        for service in chain.services
    }
    ready = []
    for one in objects:
        service, image = images.get((one["kind"], one["metadata"]["name"]), (None, ""))
        ready.append(_with_image(one, service, image) if service else one)
    return sorted(ready, key=lambda one: FIRST.index(one["kind"]) if one["kind"] in FIRST else len(FIRST))


def _image(service: Service, repository: str, sha: str) -> str:
    """The baseline's image: the pattern for a commit of the base branch."""
    known = {"{repository}": repository, "{sha}": sha, "{service_sha}": sha}
    image = service.image
    for placeholder, value in known.items():
        image = image.replace(placeholder, value)
    return image


def _with_image(workload: Json, service: Service, image: str) -> Json:
    spec = workload["spec"]
    pod = spec["template"]["spec"]
    containers: Sequence[Json] = pod["containers"]
    chosen = service.container or containers[0]["name"]
    changed = [one | {"image": image} if one["name"] == chosen else one for one in containers]
    template = spec["template"] | {"spec": pod | {"containers": changed}}
    return workload | {"spec": spec | {"template": template}}
