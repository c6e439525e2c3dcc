"""Free ports of 127.0.0.1 for one embedded system, chosen once and kept: a restart keeps addresses."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

HOST = "127.0.0.1"
# below the kernel's range for outgoing connections, which could take a port while its process restarts
FIRST, LAST = 20000, 31999


def settle(names: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """A free port for each name: the one kept from before while it is still free, else a new one."""
    chosen: dict[str, int] = {}
    for name in names:
        before = kept.get(name)
        chosen[name] = before if before and is_free(before) else _free(set(chosen.values()))
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free(taken: set[int]) -> int:
    for port in random.sample(range(FIRST, LAST + 1), 200):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no free port found on {HOST} between {FIRST} and {LAST}")
