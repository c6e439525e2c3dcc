"""What of a workload's pod template a release changes, and what must stay as it was meanwhile. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from provisioner.chain.model import Service
from provisioner.copies import refusals, rollouts

Json = dict[str, Any]


def image(service: Service, workload: Json) -> str:
    """The image of the service's container. Raises RefusedError where the chain file names one that is not
    there."""
    pod = workload["spec"]["template"]["spec"]
    wanted = refusals.container(service, pod)
    return next(str(one.get("image", "")) for one in pod["containers"] if one["name"] == wanted)


def revision(service: Service, workload: Json) -> str:
    """Changes with everything in the pod template but that image. Raises RefusedError as `image` does."""
    template = workload["spec"]["template"]
    metadata = template.get("metadata") or {}
    marks = {key: value for key, value in (metadata.get("labels") or {}).items() if key != rollouts.HASH}
    pod = {**template["spec"], "containers": containers(service, workload, "")}
    bare = {"labels": marks, "annotations": metadata.get("annotations") or {}, "spec": pod}
    text = json.dumps(_telling(bare), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def containers(service: Service, workload: Json, wanted: str) -> list[Json]:
    """The containers of the template, the service's with that image."""
    pod = workload["spec"]["template"]["spec"]
    name = refusals.container(service, pod)
    return [{**one, "image": wanted} if one["name"] == name else one for one in pod["containers"]]


def _telling(value: Any) -> Any:
    """A value without what says nothing: controllers put empty values in, such as a container's resources."""
    if isinstance(value, dict):
        found = {key: _telling(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one not in (None, {}, [])}
    return [_telling(one) for one in value] if isinstance(value, list) else value
