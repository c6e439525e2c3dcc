"""What a reconciliation touches, handed down as one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.forges import SILENT, Forges
from provisioner.git import Repositories
from provisioner.lane.ledger import Ledger
from provisioner.settings import Settings
from provisioner.snapshot import HasNone, unknown


@dataclass(frozen=True)
class World:
    """The cluster, the repositories, the settings, the clock (UTC), the forges that can be asked, and what is
    known to be absent from the cluster without asking it."""

    cluster: Cluster
    repositories: Repositories
    settings: Settings
    now: Callable[[], datetime]
    forges: Forges = SILENT
    has_none: HasNone = unknown

    def ledger(self, chain: Chain) -> Ledger:
        """The chain's ledger of closed and waiting pull requests."""
        return Ledger(self.cluster, self.settings.namespace, chain.name)
