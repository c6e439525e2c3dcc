"""The service proxy, alone: connections and what happens to them when backends change."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from devcluster.kubelet.addresses import PodAddresses, claim_range

PORT = 18080
NOWHERE = "192.0.2.1"  # reserved for documentation: no machine has it


class Proxy:
    """The proxy's process, serving one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._control, theirs = socket.socketpair()
        self._control.settimeout(60)
        self._answers = self._control.makefile("r")
        with theirs:
            argv = [sys.executable, "-m", "devcluster.kubelet.serviceproxy", str(theirs.fileno())]
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])

    def serve(self, *backends: tuple[str, int], sticky: float = 0) -> None:
        self._set(self.address, backends, sticky)
        assert self._failure()["address"] == NOWHERE

    def fail(self, address: str) -> str:
        """Why it cannot listen on an address."""
        self._control.sendall(self._request(address, [("127.0.0.1", 1)], 0))
        return str(self._failure()["error"])

    def _set(self, address: str, backends: Sequence[tuple[str, int]], sticky: float) -> None:
        """Requests are done in order, so the failure of the second tells that the first is done."""
        self._control.sendall(self._request(address, backends, sticky))
        self._control.sendall(self._request(NOWHERE, [("127.0.0.1", 1)], 0))

    def _request(self, address: str, backends: Sequence[tuple[str, int]], sticky: float) -> bytes:
        request = {"op": "set", "address": address, "port": PORT, "backends": backends, "sticky": sticky}
        return json.dumps(request).encode() + b"\n"

    def _failure(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self._answers.readline())
        assert event["event"] == "failed"
        return event

    def close(self) -> None:
        self._answers.close()
        self._control.close()
        assert self._process.wait(60) == 0

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, PORT), timeout=60)

    def ask(self, text: bytes = b"") -> bytes:
        """Send, close the writing half, and read to the end."""
        with self.connect() as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)


@pytest.fixture
def addresses() -> Iterator[PodAddresses]:
    claimed = claim_range("test_serviceproxy")
    yield claimed
    claimed.claim.close()


@pytest.fixture
def proxy(addresses: PodAddresses) -> Iterator[Proxy]:
    proxy = Proxy(addresses.allocate())
    yield proxy
    proxy.close()


def read_all(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


@contextmanager
def backend(handle: Callable[[socket.socket], Any]) -> Iterator[tuple[str, int]]:
    """A server that calls `handle` for each connection, in a thread."""

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=run, args=(sock,), daemon=True).start()

    def run(sock: socket.socket) -> None:
        with sock:
            handle(sock)

    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(60)


def says(word: bytes) -> Callable[[socket.socket], None]:
    def handle(sock: socket.socket) -> None:
        sock.sendall(word + read_all(sock))

    return handle


def echoes(sock: socket.socket) -> None:
    while chunk := sock.recv(1 << 16):
        sock.sendall(chunk)


def test_a_half_closed_connection_still_gets_its_answer(proxy: Proxy) -> None:
    with backend(says(b"got ")) as server:
        proxy.serve(server)
        assert proxy.ask(b"x" * 3_000_000) == b"got " + b"x" * 3_000_000


def test_backends_take_turns(proxy: Proxy) -> None:
    with backend(says(b"a")) as a, backend(says(b"b")) as b:
        proxy.serve(a, b)
        assert sorted(proxy.ask() for _ in range(6)) == [b"a"] * 3 + [b"b"] * 3


def test_a_sticky_client_keeps_its_backend(proxy: Proxy) -> None:
    with backend(says(b"a")) as a, backend(says(b"b")) as b:
        proxy.serve(a, b, sticky=60)
        assert len({proxy.ask() for _ in range(6)}) == 1


def test_a_backend_that_refuses_is_passed_over(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = gone.getsockname()
    with backend(says(b"a")) as a:
        proxy.serve(dead, a)
        assert [proxy.ask() for _ in range(4)] == [b"a"] * 4


def test_without_backends_connections_are_refused(proxy: Proxy) -> None:
    with backend(says(b"a")) as a:
        proxy.serve(a)
        assert proxy.ask() == b"a"
        proxy.serve()
        with pytest.raises(ConnectionRefusedError):
            proxy.ask()
        proxy.serve(a)
        assert proxy.ask() == b"a"


def test_an_established_connection_outlives_its_backends_removal(proxy: Proxy) -> None:
    with backend(echoes) as a, backend(says(b"b")) as b:
        proxy.serve(a)
        with proxy.connect() as client:
            client.sendall(b"1")
            assert client.recv(1) == b"1"
            proxy.serve(b)
            assert proxy.ask() == b"b"
            client.sendall(b"2")
            assert client.recv(1) == b"2"


def test_a_backend_that_speaks_first_is_heard(proxy: Proxy) -> None:
    with backend(lambda sock: sock.sendall(b"hello")) as a:
        proxy.serve(a)
        for _ in range(20):
            with proxy.connect() as client:
                assert read_all(client) == b"hello"


def test_an_address_that_cannot_be_had_is_an_event(proxy: Proxy) -> None:
    assert "assign requested address" in proxy.fail("198.51.100.1")


def test_a_reset_is_passed_on(proxy: Proxy) -> None:
    def resets(sock: socket.socket) -> None:
        sock.recv(1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with backend(resets) as a:
        proxy.serve(a)
        with proxy.connect() as client:
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                read_all(client)


def test_a_slow_reader_holds_the_sender_back(proxy: Proxy) -> None:
    sent = 0
    held_back = threading.Event()

    def floods(sock: socket.socket) -> None:
        nonlocal sent
        sock.settimeout(0.5)
        try:
            while sent < 1 << 30:
                sent += sock.send(b"x" * 65536)
        except TimeoutError:
            held_back.set()

    with backend(floods) as a:
        proxy.serve(a)
        with proxy.connect() as client:
            assert held_back.wait(60)
            assert len(read_all(client)) == sent
