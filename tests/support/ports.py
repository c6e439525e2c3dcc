"""Ports for servers that want to be told theirs."""

from __future__ import annotations

import random
import socket

# Below those that the kernel hands out: one of them may be some connection's own a moment later.
RANGE = range(12000, 32000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    while True:
        port = random.SystemRandom().choice(RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
