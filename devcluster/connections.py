"""Connections by their client's address, so that one can be cut without an answer."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Peer = tuple[str, int]

_open: dict[Peer, Any] = {}  # transports; uvloop's are of no public class


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which remembers its connection."""

    _peer: Peer | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        host, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self._peer = (host, port)
        _open[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is not None:
            _open.pop(self._peer, None)
        super().connection_lost(exc)


def cut(client: Peer) -> None:
    """Close the connection of a client at once; nothing happens when it has gone already."""
    transport = _open.get(client)
    if transport is not None:
        transport.abort()
