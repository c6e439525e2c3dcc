"""The release of the chart that is measured: beside any other in the same cluster, by names of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev.cluster import shop
from devcluster.dev.cluster.context import Context
from devcluster.dev.cluster.images import CHECKOUT

Json = dict[str, Any]

CHART = CHECKOUT / "charts" / "laneway"
RELEASE = "laneway-bench"
SYSTEM = "laneway-bench-system"
PROCESSES = ("serve", "worker", "beat", "router")
PATIENCE = "300s"


@dataclass
class Release:
    """Laneway on a cluster. `folder` keeps its values; deliveries are signed with `secret`."""

    context: Context
    folder: Path
    images: Mapping[str, str]
    secret: str = field(default_factory=lambda: secrets.token_hex(20))

    def install(self, chain: Json) -> None:
        """Returns when every pod is ready. The definition of Lanes becomes this version's."""
        crds = str(CHART / "crds")  # Helm changes no definition that is there
        self.context.kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", crds
        )
        self.context.apply(shop.namespace(SYSTEM))
        values = self.folder / "values.yaml"
        values.write_text(yaml.safe_dump(self._values(chain)))
        self.context.helm(
            *("install", RELEASE, str(CHART), "--namespace", SYSTEM, "--values", str(values)),
            *("--skip-crds", "--wait", "--timeout", PATIENCE),
        )

    def remove(self) -> None:
        """Takes the chart out, which detaches the chain, and its namespace; the definition stays."""
        where = ("--namespace", SYSTEM, "--ignore-not-found")
        self.context.helm("uninstall", RELEASE, *where, "--wait", "--timeout", PATIENCE)
        self.context.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout", PATIENCE)

    def run(self, verb: str) -> None:
        """Attaches or detaches, as the chart's notes say."""
        where = ("--namespace", SYSTEM)
        self.context.kubectl("create", "job", verb, f"--from=cronjob/{RELEASE}-{verb}", *where)
        done = ("--for=condition=Complete", f"--timeout={PATIENCE}")
        self.context.kubectl("wait", f"job/{verb}", *done, *where)
        self.context.kubectl("delete", "job", verb, *where)

    def _values(self, chain: Json) -> Json:
        laneway, envoy, valkey = (_named(self.images[name]) for name in ("laneway", "envoy", "valkey"))
        return {
            "chains": {str(chain["chain"]): yaml.safe_dump(chain, sort_keys=False)},
            "webhooks": {"github": {"secret": self.secret}},
            "image": laneway,
            "envoy": {"image": envoy},
            # a cluster for tests may have no volumes to give
            "valkey": {"image": valkey, "persistence": {"enabled": False}},
        }


def _named(image: str) -> Json:
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}
