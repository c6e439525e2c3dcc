"""The processes of an embedded system, as data: their commands, environments and addresses."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.dev.ports import HOST
from devcluster.dev.state import State

PORTS = (
    "valkey",
    "devcluster",
    "hooks",
    "preview",
    "discovery",
    "metrics-worker",
    "metrics-beat",
    "metrics-router",
)
BIN = Path(sys.executable).parent
ENVOY_IMAGE = "host"  # the embedded kubelet runs the command with this machine's files


@dataclass(frozen=True)
class Process:
    """One process that is kept running. `address` is what `status` shows."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def foundations(state: State, ports: Mapping[str, int], valkey: str) -> tuple[Process, ...]:
    """What Laneway needs around it: the queue (every write is on disk before it is answered) and the cluster.
    `valkey` is the server's binary."""
    queue = (
        valkey,
        *("--bind", HOST, "--port", str(ports["valkey"]), "--dir", str(state.valkey)),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"),
    )
    cluster = (
        *(sys.executable, "-P", "-m", "devcluster", "--state", str(state.cluster)),
        *("--host", HOST, "--port", str(ports["devcluster"])),
    )
    return (
        Process("valkey", queue, address=redis_url(ports)),
        Process("devcluster", cluster, clean(), address=f"http://{HOST}:{ports['devcluster']}"),
    )


def product(state: State, ports: Mapping[str, int], secret: str) -> tuple[Process, ...]:
    """Laneway's own processes, as a real installation runs them: each under an account of its own."""
    shared = settings(state, ports, secret)
    return tuple(
        Process(
            name,
            (str(BIN / "laneway"), name),
            {
                **clean(),
                **shared,
                "LANEWAY_KUBECONFIG": str(state.account(name)),
                "LANEWAY_METRICS_PORT": str(ports.get(f"metrics-{name}", 0)),
            },
            address,
        )
        for name, address in (
            ("serve", hooks_url(ports)),
            ("worker", ""),
            ("beat", ""),
            ("router", f"{HOST}:{ports['discovery']}"),
        )
    )


def relay(ports: Mapping[str, int], entry: str, domain: str) -> Process:
    """What leads browsers to the chain's entry, which is at `entry` (HOST:PORT)."""
    port = ports["preview"]
    command = (sys.executable, "-P", "-m", "devcluster.dev.relay", str(port), entry)
    return Process("preview", command, clean(), address=f"http://{domain or HOST}:{port}")


def settings(state: State, ports: Mapping[str, int], secret: str) -> dict[str, str]:
    """Laneway's settings for this system."""
    return {
        "LANEWAY_REDIS_URL": redis_url(ports),
        "LANEWAY_CHAINS": str(state.chains),
        "LANEWAY_KUBECONFIG": str(state.kubeconfig),
        "LANEWAY_GITHUB_SECRETS": secret,
        "LANEWAY_NOTIFY_KEY_FILE": str(state.notify_key),
        "LANEWAY_HOOKS_HOST": HOST,
        "LANEWAY_HOOKS_PORT": str(ports["hooks"]),
        "LANEWAY_MIRRORS": str(state.mirrors),
        "LANEWAY_DRAIN_SECONDS": "0.5",  # the Envoys of one machine hear of a change within milliseconds
        "LANEWAY_DISCOVERY_HOST": HOST,
        "LANEWAY_DISCOVERY_PORT": str(ports["discovery"]),
        "LANEWAY_DISCOVERY_ADDRESS": f"{HOST}:{ports['discovery']}",
        "LANEWAY_ENVOY_IMAGE": ENVOY_IMAGE,
        "LANEWAY_ENVOY_REPLICAS": "1",
        "LANEWAY_METRICS_HOST": HOST,
        "LANEWAY_METRICS_PORT": "0",  # each process has one of its own
    }


def metrics(ports: Mapping[str, int]) -> dict[str, str]:
    """Where each process of Laneway tells its metrics."""
    own = {name: f"http://{HOST}:{ports[f'metrics-{name}']}/metrics" for name in ("worker", "beat", "router")}
    return {"serve": f"{root_url(ports)}/metrics", **own}


def redis_url(ports: Mapping[str, int]) -> str:
    return f"redis://{HOST}:{ports['valkey']}/0"


def root_url(ports: Mapping[str, int]) -> str:
    return f"http://{HOST}:{ports['hooks']}"


def hooks_url(ports: Mapping[str, int]) -> str:
    """The base URL of the receiver: a forge posts to this plus its name."""
    return f"{root_url(ports)}/hooks"


def path() -> str:
    """PATH with this installation's own tools first, so that an old kubectl elsewhere is never called."""
    return f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def clean() -> dict[str, str]:
    """The environment that every process starts from: ours, without settings that somebody exported."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("LANEWAY_", "GIT_"))}
    return {**mine, "PATH": path(), "PYTHONUNBUFFERED": "1"}
