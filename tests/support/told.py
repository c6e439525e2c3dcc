"""Releases as they look on their way, and somebody who is told of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provisioner.chain.strategy import Strategy
from provisioner.cluster import Cluster
from provisioner.lane.model import stamp
from provisioner.release import store
from provisioner.release.model import Change, Phase, Release

Json = dict[str, Any]

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def happened(sequence: int, event: str = "Stepped", weight: int = 10, **more: Any) -> Json:
    """The `sequence`th entry of a timeline, a second after the one before."""
    at = stamp(BEGUN + timedelta(seconds=sequence))
    rest = {"phase": Phase.PROGRESSING.value, "step": 0, "message": "", "reason": "Holding"}
    return {"sequence": sequence, "event": event, "at": at, "weight": weight, **rest, **more}


def release(
    chain: str = "shop", name: str = "release-1", strategy: Strategy | None = None, **status: Any
) -> Release:
    """A release of two services with this status, as the cluster would give it back."""
    changes = (Change("orders", "example/orders:2"), Change("payment", "example/payment:2"))
    made = {"uid": f"uid-of-{name}", "resource_version": "1", "created": BEGUN, "origin": "lane pr-4"}
    return Release(chain, name, changes, strategy or Strategy(), status=status, **made)


def written(cluster: Cluster, wanted: Release) -> Release:
    """The same release in a cluster."""
    made = store.create(cluster, replace(wanted, uid="", resource_version=""))
    return store.write_status(cluster, made, dict(wanted.status)) if wanted.status else made


@dataclass(frozen=True)
class Delivery:
    """One request that a listener got."""

    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Json:
        found: Json = json.loads(self.body)
        return found


@dataclass
class Listener:
    """A real HTTP server that keeps what it is sent. `answers` gives the status of the next answer; one that
    blocks makes the sender wait."""

    url: str = ""
    got: list[Delivery] = field(default_factory=list)
    answers: Callable[[], int] = lambda: 204

    @property
    def sequences(self) -> list[int]:
        """The numbers of what it was sent, in order."""
        return [one.told["sequence"] for one in self.got]


@contextmanager
def listener() -> Iterator[Listener]:
    """A listener that takes everything, until the test says otherwise."""
    known = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.got.append(Delivery(dict(self.headers), body))
            self.send_response(known.answers())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """What it was sent is kept."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        known.url = f"http://127.0.0.1:{server.server_port}/hooks/secret-path"
        try:
            yield known
        finally:
            server.shutdown()
            thread.join()
