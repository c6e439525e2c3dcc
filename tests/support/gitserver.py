"""Git servers that misbehave: one that never answers, and a door that stops half-way through an answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.commands import end
from tests.support.waiting import until


class Silent:
    """Accepts connections and says nothing. `closed` counts those that the other side gave up."""

    def __init__(self) -> None:
        self.closed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while _receive(connection):
                    pass
            self.closed += 1

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=60)


class Door:
    """Passes a git server's bytes on. While `limit` is set, a connection stops after so many bytes of answer
    and stays open, saying nothing more, until `release`."""

    def __init__(self, port: int) -> None:
        self.limit: int | None = None
        self.stuck = 0
        self.answered = 0  # bytes that went from the server to clients
        self._port = port
        self._released = threading.Event()
        self._servers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._begin(self._serve)

    def _begin(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def release(self) -> None:
        """Lets no connection stop any more, and ends those that have."""
        self.limit = None
        self._released.set()

    def stop(self) -> None:
        """Ends every connection, and returns when that is done."""
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(timeout=60)
        self._listener.close()
        for server in self._servers:
            with suppress(OSError):  # it has ended already
                server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=60)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._servers.append(server)
            self._begin(_pass, connection, server)
            self._begin(self._answer, server, connection)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with server, client:
            while chunk := _receive(server):
                passed += len(chunk)
                self.answered += len(chunk)
                if self.limit is not None and passed > self.limit:
                    self.stuck += 1
                    self._released.wait()
                    client.shutdown(socket.SHUT_RDWR)  # also for the thread that reads from it
                    return
                if not _send(client, chunk):
                    return


def _pass(source: socket.socket, target: socket.socket) -> None:
    while chunk := _receive(source):
        if not _send(target, chunk):
            return


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:
        return b""


def _send(connection: socket.socket, chunk: bytes) -> bool:
    try:
        connection.sendall(chunk)
    except OSError:
        return False
    return True


@contextmanager
def daemon(folder: Path) -> Iterator[int]:
    """`git daemon` over the repositories in `folder`; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        "git",
        "daemon",
        "--export-all",
        "--listen=127.0.0.1",
        f"--port={port}",
        f"--base-path={folder}",
    ]
    process = subprocess.Popen([*command, "--reuseaddr", str(folder)], start_new_session=True)
    try:
        until(lambda: _listens(port), "git daemon listens")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # git runs the daemon in a process of its own
        end(process)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
