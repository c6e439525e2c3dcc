"""Calls to the next service, in each protocol; who calls learns of every hop behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import grpc

from tests.conformance.hops import wire
from tests.conformance.hops.story import OK, Headers, Hop, decode

SERVED = "x-preview-lane-served"
SECONDS = 20.0  # for a call and all behind it
ONCE, EACH = "/conformance.Hops/Once", "/conformance.Hops/Each"
PROTOCOLS = ("http", "websocket", "grpc", "grpc-stream")


@dataclass(frozen=True)
class Target:
    """Where the requests for a port of a service are sent, and the host that they name."""

    service: str
    host: str
    port: int
    authority: str


async def call(protocol: str, target: Target, headers: Headers) -> tuple[Hop, ...]:
    """The hops from the target on; a single one with status and text where the target gave no answer."""
    speak = {"http": _http, "websocket": _websocket, "grpc": _grpc, "grpc-stream": _stream}[protocol]
    try:
        return await asyncio.wait_for(speak(target, headers), SECONDS)
    except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
        return (Hop(target.service, status=type(error).__name__, text=str(error)),)


async def _http(target: Target, headers: Headers) -> tuple[Hop, ...]:
    answer = await _request(target, [("connection", "close"), *headers])
    said = answer.get(SERVED)
    if answer.status != OK:
        return _refused(target, said, answer.status, answer.body.decode())
    return _heard(decode(answer.body), said, answer.get("set-cookie") or "")


async def _request(target: Target, headers: Headers) -> wire.Message:
    connection = await wire.connect(target.host, target.port)
    try:
        await connection.send("GET / HTTP/1.1", _addressed(target, headers))
        return await connection.read_body(await connection.read_head())
    finally:
        await connection.close()


def _addressed(target: Target, headers: Headers) -> Headers:
    """With the target as host, unless the request names another."""
    named = any(key.lower() == "host" for key, _ in headers)
    return headers if named else [("host", target.authority), *headers]


async def _websocket(target: Target, headers: Headers) -> tuple[Hop, ...]:
    connection = await wire.connect(target.host, target.port)
    try:
        await connection.send("GET / HTTP/1.1", _addressed(target, [*wire.upgrade(), *headers]))
        head = await connection.read_head()
        if head.status != "101":
            answer = await connection.read_body(head)
            return _refused(target, head.get(SERVED), head.status, answer.body.decode())
        await connection.send_text(b"who is there?", masked=True)
        return _heard(decode(await connection.read_text()), head.get(SERVED))
    finally:
        await connection.close()


def _refused(target: Target, said: str | None, status: str, text: str) -> tuple[Hop, ...]:
    return (Hop(target.service, said=said, status=status, text=text),)


def _heard(hops: tuple[Hop, ...], said: str | None, cookie: str = "") -> tuple[Hop, ...]:
    return (replace(hops[0], said=said, cookie=cookie), *hops[1:])


async def _grpc(target: Target, headers: Headers) -> tuple[Hop, ...]:
    async with _channel(target) as channel:
        asked = channel.unary_unary(ONCE)(b"", metadata=_metadata(headers))
        try:
            answer = await asked
        except grpc.aio.AioRpcError as error:
            return _failed(target, error)
        return _heard(decode(answer), _said(await asked.initial_metadata()))


async def _stream(target: Target, headers: Headers) -> tuple[Hop, ...]:
    return tuple([hop async for hop in relay(target, headers)])


async def relay(target: Target, headers: Headers) -> AsyncIterator[Hop]:
    """The hops of a stream, each as soon as it comes."""
    async with _channel(target) as channel:
        asked = channel.unary_stream(EACH)(b"", metadata=_metadata(headers))
        first = True
        try:
            async for message in asked:
                hop = decode(message)[0]
                yield replace(hop, said=_said(await asked.initial_metadata())) if first else hop
                first = False
        except grpc.aio.AioRpcError as error:
            yield _failed(target, error)[0]


def _channel(target: Target) -> Any:
    options = [("grpc.default_authority", target.authority), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(f"{target.host}:{target.port}", options)


def _metadata(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple((key.lower(), value) for key, value in headers)


def _failed(target: Target, error: Any) -> tuple[Hop, ...]:
    metadata = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    return _refused(target, _said(metadata), error.code().name, error.details() or "")


def _said(metadata: Any) -> str | None:
    return next((value for key, value in metadata if key == SERVED), None)
