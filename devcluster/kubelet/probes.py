"""Probes: one attempt (HTTP, TCP, exec, gRPC), and the loop that turns attempts into a verdict.

Differs from Kubernetes in one way: while a readiness or startup probe has not succeeded yet, it is tried
every `EAGER` seconds for the first `EAGER_FOR` seconds. These extra attempts can only make a success seen
earlier: failures are counted at the probe's own period and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

EAGER = 0.1  # seconds
EAGER_FOR = 10.0  # seconds
_EXPECTED = (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError)  # how a probe's network fails


@dataclass(frozen=True)
class Target:
    """What a container's probes and hooks act on. `run` gives exit code and output of a command in it."""

    ip: str
    ports: Mapping[str, int]  # named ports
    run: Callable[[list[str], float], Awaitable[tuple[int, str]]]  # (command, seconds it may take)

    def port(self, port: int | str) -> int:
        """:raises ValueError: the container has no port of that name"""
        if isinstance(port, int) or port.isdigit():
            return int(port)
        if port not in self.ports:
            raise ValueError(f'the container has no port named "{port}"')
        return self.ports[port]


async def attempt(probe: Object, target: Target) -> str:
    """Try a probe or hook once: empty when it succeeded, else why not."""
    timeout = probe.get("timeoutSeconds", 1)
    try:
        async with asyncio.timeout(timeout):
            return await _attempt(probe, target, timeout)
    except TimeoutError:
        return f"no answer within {timeout}s"
    except _EXPECTED as error:
        return str(error) or type(error).__name__


async def _attempt(probe: Object, target: Target, timeout: float) -> str:
    if (get := probe.get("httpGet")) is not None:
        return await _http(get, target)
    if (tcp := probe.get("tcpSocket")) is not None:
        _, writer = await asyncio.open_connection(tcp.get("host") or target.ip, target.port(tcp["port"]))
        writer.close()
        return ""
    if (command := probe.get("exec")) is not None:
        code, output = await target.run(command["command"], timeout)
        return f"exit code {code}: {output}" if code else ""
    if (call := probe.get("grpc")) is not None:
        return await _grpc(f"{target.ip}:{target.port(call['port'])}", call.get("service") or "")
    if (pause := probe.get("sleep")) is not None:
        await asyncio.sleep(pause["seconds"])
        return ""
    return "the probe has no httpGet, tcpSocket, exec or grpc"


async def _http(get: Object, target: Target) -> str:
    host, port = get.get("host") or target.ip, target.port(get["port"])
    reader, writer = await asyncio.open_connection(host, port, ssl=_unverified(get.get("scheme", "HTTP")))
    try:
        writer.write(request(get, f"{host}:{port}"))
        status = (await reader.readline()).split(b" ", 2)
        if len(status) < 2 or not status[1].isdigit():
            return f"no HTTP answer from {host}:{port}"
        code = int(status[1])
        return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
    finally:
        writer.close()


def request(get: Object, authority: str) -> bytes:
    """The request of an httpGet probe."""
    headers = {
        "Host": authority,
        "User-Agent": "kube-probe/devcluster",
        "Accept": "*/*",
        "Connection": "close",
    }
    headers |= {header["name"]: header["value"] for header in get.get("httpHeaders") or []}
    path = get.get("path") or "/"
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _unverified(scheme: str) -> ssl.SSLContext | None:
    """Kubelets do not verify certificates of probed pods."""
    if scheme != "HTTPS":
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _grpc(authority: str, service: str) -> str:
    import grpc  # here, because it takes longer to import than the whole API server and few pods need it

    name = service.encode()
    asked = b"\x0a" + bytes([len(name)]) + name if name else b""  # HealthCheckRequest{service}; < 128 bytes
    async with grpc.aio.insecure_channel(authority) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = await check(asked)
        except grpc.aio.AioRpcError as error:
            return f"health check: {error.code().name}: {error.details()}"
    return "" if answer == b"\x08\x01" else "service is not SERVING"  # HealthCheckResponse{status: SERVING}


@dataclass
class Tally:
    """Consecutive results against a probe's thresholds. `up` is the verdict, None before the first."""

    success_threshold: int
    failure_threshold: int
    up: bool | None = None
    streak: int = 0
    last: bool | None = None

    def count(self, success: bool) -> bool:
        """Take one result; true when it makes (or repeats) a verdict."""
        self.streak = self.streak + 1 if success is self.last else 1
        self.last = success
        if self.streak < (self.success_threshold if success else self.failure_threshold):
            return False
        self.up = success
        return True


async def watch(probe: Object, target: Target, report: Callable[[bool, str], None], *, eager: bool) -> None:
    """Try the probe for ever; `report(success, why not)` at every attempt that makes or repeats a verdict."""
    loop = asyncio.get_running_loop()
    tally = Tally(probe.get("successThreshold", 1), probe.get("failureThreshold", 3))
    period = probe.get("periodSeconds", 10)
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    begun = due = loop.time()
    while True:
        regular = loop.time() >= due
        failure = await attempt(probe, target)
        if (regular or not failure) and tally.count(not failure):
            report(not failure, failure)
        now = loop.time()
        if regular:
            due = max(due + period, now)
        hurry = eager and tally.up is not True and now - begun < EAGER_FOR
        await asyncio.sleep(min(EAGER, due - now) if hurry else due - now)
