"""`laneway router` as a process, of which several run beside each other."""

from __future__ import annotations

from tests.support.commands import LANEWAY
from tests.support.ports import free_port

ROUTER = (*LANEWAY, "router")


def places() -> dict[str, str]:
    """Settings by which it listens where nobody does at the moment."""
    return {
        "LANEWAY_DISCOVERY_HOST": "127.0.0.1",
        "LANEWAY_DISCOVERY_PORT": str(free_port()),
        "LANEWAY_METRICS_HOST": "127.0.0.1",
        "LANEWAY_METRICS_PORT": str(free_port()),
    }
