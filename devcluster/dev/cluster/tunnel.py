"""Ways from ports of this machine into a cluster, by kubectl: they need nothing but the API server.

A way that breaks, as they do on a busy machine, is there again within a second; what was on it is lost.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from devcluster.dev import processes
from devcluster.dev.children import die_with_parent
from devcluster.dev.cluster.context import ClusterError, Context
from devcluster.dev.ports import HOST

PATIENCE = 30.0  # seconds until a way must be open
POLL = 0.05
PAUSE = 0.5  # seconds before a way that broke is begun anew
GRACE = 5.0  # seconds that kubectl gets to end


@contextmanager
def to_pod(context: Context, namespace: str, pod: str, ports: dict[int, int]) -> Iterator[None]:
    """`ports` of this machine (keys) lead to a pod's, on the pod's own loopback address."""
    pairs = [f"{here}:{there}" for here, there in ports.items()]
    with _open(context, ["port-forward", "--namespace", namespace, f"pod/{pod}", *pairs], list(ports)):
        yield


@contextmanager
def to_api(context: Context, port: int) -> Iterator[str]:
    """The cluster's API without credentials at a port of this machine: its URL."""
    with _open(context, ["proxy", f"--port={port}"], [port]):
        yield f"http://{HOST}:{port}"


@contextmanager
def _open(context: Context, arguments: Sequence[str], ports: Sequence[int]) -> Iterator[None]:
    way = _Way([str(processes.BIN / "kubectl"), *arguments], context.environment())
    thread = threading.Thread(target=way.keep, daemon=True)
    thread.start()
    try:
        for port in ports:
            _await(port, arguments[0])
        yield
    finally:
        way.over.set()
        thread.join()


@dataclass
class _Way:
    """One kubectl that is begun anew whenever it loses the cluster, until `over` is set."""

    command: list[str]
    environment: dict[str, str]
    over: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        while not self.over.is_set():
            child = self._begin()
            while child.poll() is None and not self.over.wait(POLL):
                pass
            _end(child)
            self.over.wait(PAUSE)

    def _begin(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),
        )


def _await(port: int, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"nobody listens: {error}", where=f"kubectl {what}, port {port}"
                ) from error
        time.sleep(POLL)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
