"""DIR/endpoints.json: everything that a person or a script needs to reach the system; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from devcluster.dev import processes, system
from devcluster.dev.ports import HOST
from devcluster.dev.state import State
from devcluster.dev.system import System
from provisioner.chain.model import Chain

Json = dict[str, Any]


def compose(
    state: State, made: System, chain: Chain, entry: str, running: Mapping[str, Sequence[int]]
) -> Json:
    """The whole file. `entry` is the URL of the chain's entry; `running` the process ids by name."""
    return {
        "kubeconfig": str(state.kubeconfig),
        "hooks": processes.hooks_url(made.ports),
        "webhook_secret": made.secret,
        "notify_key_file": str(state.notify_key),
        "entry": entry,
        "entry_domain": chain.entry.domain,
        "preview": chain.entry.url_of("{lane}"),
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
    supervisor: int, children: Mapping[str, int | None], node: Mapping[int, str]
) -> dict[str, list[int]]:
    """Process ids by name: the supervisor, what it keeps running, and what the cluster's node runs (process
    id to program): Envoys as `envoy`, all else as `node`."""
    kept = {name: [pid] if pid else [] for name, pid in children.items()}
    envoys = sorted(pid for pid, program in node.items() if program == "envoy")
    others = sorted(pid for pid, program in node.items() if program != "envoy")
    return {"supervisor": [supervisor], **kept, "envoy": envoys, "node": others}


def entry_namespace(chain: Chain) -> str:
    """The namespace of the service that requests enter by; the first service's where none is named."""
    return chain.service(entry_service(chain)).namespace


def entry_service(chain: Chain) -> str:
    return chain.entry.service or chain.services[0].name
