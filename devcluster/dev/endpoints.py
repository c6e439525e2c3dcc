"""DIR/endpoints.json: everything that a person or a script needs to reach the system; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devcluster.dev import processes, system
from devcluster.dev.ports import HOST
from devcluster.dev.state import State
from devcluster.dev.system import System
from provisioner.chain import Chain

Json = dict[str, Any]

ROUTER = "laneway-router-"  # how the names of Envoy's pods begin


def compose(
    state: State, made: System, chain: Chain, entry: str, running: Mapping[str, Sequence[int]]
) -> Json:
    """The whole file. `entry` is the URL of the chain's entry; `running` the process ids by name."""
    return {
        "kubeconfig": str(state.kubeconfig),
        "hooks": processes.hooks_url(made.ports),
        "webhook_secret": made.secret,
        "entry": entry,
        "entry_domain": chain.entry.domain,
        "repository": str(system.repository(state, chain)),
        "full_name": chain.repositories[0].name,
        "base": chain.repositories[0].base,
        "api": f"http://{HOST}:{made.ports['devcluster']}",
        "chain": chain.name,
        "namespace": entry_namespace(chain),
        "redis": processes.redis_url(made.ports),
        "metrics": processes.metrics(made.ports),
        "processes": {name: list(pids) for name, pids in running.items()},
    }


def by_name(
    supervisor: int, children: Mapping[str, int | None], pods: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """Process ids by name: the supervisor, what it keeps running, and the pods: Envoy's as `envoy`, each
    other's by its deployment's pod name."""
    named: dict[str, list[int]] = {"supervisor": [supervisor]}
    named |= {name: [pid] if pid else [] for name, pid in children.items()}
    named["envoy"] = []
    for pod, pids in sorted(pods.items()):
        name = pod.partition("/")[2]
        if name.startswith(ROUTER):
            named["envoy"].extend(pids)
        else:
            named[f"pod/{name}"] = list(pids)
    return named


def entry_namespace(chain: Chain) -> str:
    """The namespace of the service that requests enter by; the first service's where none is named."""
    return chain.service(entry_service(chain)).namespace


def entry_service(chain: Chain) -> str:
    return chain.entry.service or chain.services[0].name
