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


def is_needed(context: Context) -> bool:
    """Whether the cluster makes no volumes by itself."""
    return not context.get("storageclasses")["items"]


def volume(name: str) -> Json:
    """The PersistentVolume of that name, over a folder that is there from now on."""
    place = _folder(name)
    place.mkdir(parents=True, exist_ok=True)
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
