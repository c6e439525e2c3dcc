"""VirtualServices in a cluster within this process: the user's of `payment`, and what Laneway makes of it."""

from __future__ import annotations

from typing import Any

from provisioner import labels
from provisioner.kinds import KINDS
from tests.support.meshed import Meshed
from tests.support.scene import NAMESPACE

Json = dict[str, Any]

CATCH_ALL = {"route": [{"destination": {"host": "payment"}}], "timeout": "5s"}
RULES = [{"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}}, CATCH_ALL]


def written(mesh: Meshed) -> Json:
    """The user writes a VirtualService for payment."""
    thing = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "payment", "namespace": NAMESPACE, "annotations": {"team": "pay"}},
        "spec": {"hosts": ["payment"], "http": RULES},
    }
    path = f"{KINDS['VirtualService'].path(NAMESPACE)}?fieldManager=helm"
    mesh.local.call_api("POST", path, {"Content-Type": "application/json"}, thing, None)
    return host(mesh)


def host(mesh: Meshed, name: str = "payment") -> Json:
    found = mesh.cluster.get("VirtualService", name, NAMESPACE)
    assert found is not None, f"there is no VirtualService {name}"
    return found


def rules(mesh: Meshed, name: str = "payment") -> list[str]:
    """The names of a host's rules; the user's have none."""
    return [str(one.get("name", "")) for one in host(mesh, name)["spec"]["http"]]


def own(mesh: Meshed, lane: str) -> dict[str, Json]:
    """The specs of a lane's own VirtualServices, by name."""
    found = mesh.cluster.list("VirtualService", NAMESPACE, f"{labels.LANE}={lane}")
    return {one["metadata"]["name"]: one["spec"] for one in found}


def content(thing: Json) -> Json:
    """An object without what the server sets at every write."""
    server = ("resourceVersion", "generation", "managedFields", "uid", "creationTimestamp")
    metadata = {key: value for key, value in thing["metadata"].items() if key not in server}
    return {**thing, "metadata": metadata}
