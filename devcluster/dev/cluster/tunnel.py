"""Ways from ports of this machine into a cluster, by kubectl: they need nothing but the API server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from devcluster.dev import processes
from devcluster.dev.children import die_with_parent
from devcluster.dev.cluster.context import ClusterError, Context
from devcluster.dev.ports import HOST

PATIENCE = 30.0  # seconds until a way must be open
POLL = 0.05
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
    child = subprocess.Popen(
        [str(processes.BIN / "kubectl"), *arguments],
        env=context.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),
    )
    try:
        for port in ports:
            _await(child, port, arguments[0])
        yield
    finally:
        _end(child)


def _await(child: subprocess.Popen[bytes], port: int, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError as error:
            if child.poll() is not None or time.monotonic() > deadline:
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
