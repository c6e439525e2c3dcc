"""Answers the Rollouts of a chain that ask, at a step of theirs, whether all have arrived.

`GET /releases/CHAIN/gate?rollout=NAME` is 200 with `{"gate": "go"|"wait"|"abort", "message": ...}`; 404 for a
chain or a Rollout that is not known, 503 while the cluster does not answer: to Argo Rollouts both are errors
of the measurement, so its Rollouts stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provisioner.chain.book import ChainBook
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster, NotFoundError
from provisioner.copies import rollouts
from provisioner.errors import LanewayError
from provisioner.release import gate

Json = dict[str, Any]

_PATH = re.compile(r"/releases/([a-z0-9-]{1,63})/gate")


@dataclass(frozen=True)
class Gate:
    """The gates of all chains."""

    book: ChainBook
    cluster: Cluster

    def answer(self, path: str) -> tuple[int, Json] | None:
        """Status and body for a path with its query; None where it leads to no gate."""
        parts = urlsplit(path)
        found = _PATH.fullmatch(parts.path)
        if found is None:
            return None
        name = parse_qs(parts.query).get("rollout", [""])[0]
        chain = self.book.chains().get(found[1])
        if chain is None:
            return 404, {"message": f"there is no chain {found[1]}"}
        if name not in _names(chain):
            known = ", ".join(sorted(_names(chain))) or "none"
            return 404, {"message": f"chain {chain.name} has no Rollout {name[:80]!r}; it has: {known}"}
        try:
            return 200, gate.answer(name, self._rollouts(chain)).to_json()
        except LanewayError as error:
            return 503, {"message": str(error)}

    def _rollouts(self, chain: Chain) -> Mapping[str, Json | None]:
        there = {
            (namespace, one["metadata"]["name"]): one
            for namespace in chain.namespaces
            for one in self._list(namespace)
        }
        return {name: there.get((namespace, name)) for name, namespace in _names(chain).items()}

    def _list(self, namespace: str) -> list[Json]:
        try:
            return self.cluster.list(rollouts.KIND, namespace)
        except NotFoundError:
            return []  # the cluster does not know Rollouts


def _names(chain: Chain) -> dict[str, str]:
    """The chain's Rollouts, and the namespace of each."""
    return {one.workload.name: one.namespace for one in chain.services if one.workload.kind == rollouts.KIND}
