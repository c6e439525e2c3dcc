"""A volume for the chart's Valkey, where a cluster has no storage class to make one.

The test cluster has none: there it is a folder of its one node, which is this machine. Others have a default
class, as kind does, and get nothing from here.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from devcluster.dev.cluster.context import TEST_CLUSTER, Context

Json = dict[str, Any]

SIZE = "1Gi"


def provide(context: Context, name: str) -> None:
    """A volume of that name, where the cluster makes none by itself. One that an interrupted run has left and
    nobody claims any more is made anew; one that is in use stays."""
    if context.get("storageclasses")["items"]:
        return
    there = context.get("persistentvolumes", "--field-selector", f"metadata.name={name}")["items"]
    if any(one["status"].get("phase") == "Released" for one in there):
        remove(context, name)
    place = _folder(name)
    place.mkdir(parents=True, exist_ok=True)
    context.apply(_volume(name, place))


def _volume(name: str, place: Path) -> Json:
    anywhere = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": anywhere}},
        },
    }


def remove(context: Context, name: str) -> None:
    """The volume and what is in it, if there is one."""
    context.kubectl("delete", "persistentvolume", name, "--ignore-not-found")
    shutil.rmtree(_folder(name), ignore_errors=True)


def _folder(name: str) -> Path:
    return TEST_CLUSTER / "volumes" / name
