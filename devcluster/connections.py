"""Connections by their client's address, so that one can be cut without an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_open: dict[tuple[str, int], asyncio.BaseTransport] = {}


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which remembers its connection."""

    _peer: tuple[str, int] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = tuple(transport.get_extra_info("peername") or ("", 0))[:2]
        _open[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._peer is not None:
            _open.pop(self._peer, None)
        super().connection_lost(exc)


def cut(client: tuple[str, int] | None) -> bool:
    """Close the connection of a client at once; False when it is not known."""
    transport = _open.get(tuple(client)) if client else None  # type: ignore[arg-type]
    if not isinstance(transport, asyncio.Transport):
        return False
    transport.abort()
    return True
