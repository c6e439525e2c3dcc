"""The shop as a real cluster runs it: in two namespaces, with images, under the `restricted` level. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

# names that nobody else gives in a cluster which they share: all of it is removed in the end
CHAIN = "demo-shop"
FRONT, BACK = "laneway-demo-shop", "laneway-demo-back"
PLACES = {"frontend": FRONT, "orders": FRONT, "payment": BACK, "logistics": BACK}
FOLLOWING = {"frontend": "orders", "orders": "payment", "payment": "logistics"}
PORT = 8080
USER = 65532  # who the images' files are made for
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def namespace(name: str) -> Json:
    """A namespace that refuses pods below the `restricted` level."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def chain(original: Json, repository: str, full_name: str, image: str, url: str) -> Json:
    """The chain file for this cluster. `image` is the repository of the images that CI builds, one tag a
    commit; `url` is where a browser finds a lane."""
    services = {
        name: {**one, "namespace": PLACES[name], "image": f"{image}:{{sha}}"}
        for name, one in original["services"].items()
    }
    return {
        **original,
        "chain": CHAIN,
        "namespace": FRONT,
        "repositories": [{"url": repository, "name": full_name, "base": "main"}],
        "services": services,
        "entry": {**original["entry"], "url": url},
    }


def baseline(manifests: Iterable[Json], image: str, replicas: int) -> list[Json]:
    """The manifests of the example, each in its namespace, with an image."""
    return [
        _workload(one, image, replicas) if one["kind"] == "Deployment" else _placed(one) for one in manifests
    ]


def _placed(one: Json) -> Json:
    name = one["metadata"]["name"]
    return {**one, "metadata": {**one["metadata"], "namespace": PLACES[name]}}


def _workload(deployment: Json, image: str, replicas: int) -> Json:
    template = deployment["spec"]["template"]
    pod = template["spec"]
    name = deployment["metadata"]["name"]
    containers = [_container(one, name, image) for one in pod["containers"]]
    spec = {**pod, "securityContext": POD_SECURITY, "containers": containers, "enableServiceLinks": False}
    return _placed(
        {
            **deployment,
            "spec": {
                **deployment["spec"],
                "replicas": replicas,
                "template": {**template, "spec": spec},
            },
        }
    )


def _container(container: Json, name: str, image: str) -> Json:
    following = FOLLOWING.get(name)
    address = f"http://{following}.{PLACES[following]}:{PORT}/" if following else ""
    env = [one for one in container["env"] if one["name"] != "NEXT_URL"]
    return {
        **container,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "workingDir": f"/shop/{name}",
        "env": [*env, {"name": "NEXT_URL", "value": address}],
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}},
        "securityContext": RESTRICTED,
    }
