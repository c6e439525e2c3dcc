"""The release of the chart that is measured: beside any other in the same cluster, by names of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.installation import CHART, PATIENCE, Installation

Json = dict[str, Any]

RELEASE = "laneway-bench"
SYSTEM = "laneway-bench-system"


def release(context: Context, folder: Path, images: Mapping[str, str]) -> Installation:
    """Not installed yet. `folder` keeps its values; a cluster for tests may have no volumes to give."""
    return Installation(context, folder, images, release=RELEASE, system=SYSTEM, volume="")


def install(made: Installation, chain: Json) -> None:
    """Returns when every pod is ready. The definitions become this version's."""
    crds = str(CHART / "crds")  # Helm changes no definition that is there
    made.context.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", crds)
    made.install(chain)


def remove(made: Installation) -> None:
    """Takes the chart out, which detaches the chain, and its namespace; the definitions stay."""
    made.uninstall()
    made.context.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout", PATIENCE)
