"""What the cases do to the example and to Laneway, and what they look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import SYSTEM
from devcluster.dev.cluster.stage import ClusterStage
from devcluster.dev.cluster.town import Town
from devcluster.dev.demo.tell import StepFailed

Json = dict[str, Any]
ROUTER = f"laneway.dev/chain={shop.CHAIN},laneway.dev/role=router"


def services(real: Context) -> dict[str, Json]:
    """What detaching must restore of each of the chain's Services."""
    return {
        name: {
            "spec": found["spec"],
            "labels": found["metadata"].get("labels"),
            "annotations": found["metadata"].get("annotations"),
        }
        for name, place in shop.PLACES.items()
        for found in [real.get("service", name, "--namespace", place)]
    }


def commit(stage: ClusterStage, branch: str, version: str, *members: str) -> str:
    """A commit that gives services another version, on the branch; its sha."""
    known = stage.git("branch", "--list", branch)
    stage.git("switch", "--quiet", *([branch] if known else ["--create", branch, "origin/main"]))
    for service in members:
        stage.change(service, version)
    stage.git("commit", "--quiet", "--all", "--message", f"Version {version}")
    return stage.git("rev-parse", "HEAD").strip()


def push(stage: ClusterStage, branch: str, version: str, *members: str) -> str:
    """The same, built and pushed."""
    sha = commit(stage, branch, version, *members)
    stage.push(branch)
    return sha


def answers(stage: ClusterStage, branch: str, version: str) -> bool:
    """Whether a request that names the lane passes through this version of it."""
    try:
        reply = stage.ask({"x-preview-lane": branch})
    except StepFailed:
        return False
    return any(hop.lane == branch and hop.version == version for hop in reply.hops)


def image_of(town: Town, deployment: str, place: str = shop.BACK) -> str:
    """The image of a Deployment; empty when there is none."""
    selected = ("deployments", "--namespace", place, "--field-selector", f"metadata.name={deployment}")
    for found in town.context.get(*selected)["items"]:
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])
    return ""


def pods(real: Context, selector: str, place: str = SYSTEM) -> list[Json]:
    """The pods that a selector finds, without those that are ending."""
    found = real.get("pods", "--selector", selector, "--namespace", place)["items"]
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def of_process(process: str) -> str:
    """The selector of one of Laneway's processes."""
    return f"app.kubernetes.io/component={process}"


def names(found: Iterable[Json]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def envoys(real: Context, place: str) -> list[str]:
    """The pods of the chain's router in a namespace."""
    return names(pods(real, ROUTER, place))


def all_ready(real: Context, place: str, count: int) -> bool:
    """Whether so many Envoys are there, each of them ready."""
    found = [one["status"].get("conditions", ()) for one in pods(real, ROUTER, place)]
    ready = [any(one["type"] == "Ready" and one["status"] == "True" for one in seen) for seen in found]
    return len(ready) == count and all(ready)


def kill(real: Context, pod: str, place: str = SYSTEM) -> None:
    """Takes a pod out of the cluster at once. Its processes get the two seconds that a kubelet gives at
    least."""
    real.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--namespace", place)


def leader(real: Context) -> str:
    """The pod of the beat that holds the Lease; empty when none does."""
    spec = real.get("lease", "laneway-beat", "--namespace", SYSTEM)["spec"]
    return str(spec.get("holderIdentity") or "").rsplit("-", 2)[0]
