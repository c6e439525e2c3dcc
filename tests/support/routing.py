"""A router with real parts and hand-made objects: a store to watch, discovery, Envoy, upstreams."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Entry, Lifecycle, Protocol, Service, WorkloadRef
from provisioner.chain.strategy import Strategy
from provisioner.errors import LanewayError
from provisioner.lane.model import stamp
from provisioner.release.model import Change, Phase, Release
from provisioner.routing.envoy import Node
from provisioner.routing.envoy.node import FIRST_LISTENER, READY_PORT
from provisioner.routing.router import launch
from provisioner.routing.router.holds import Limits
from provisioner.routing.router.keeping import Keeping, Pace, Shelf
from provisioner.routing.router.server import Waking, serve
from provisioner.routing.router.state import RoutingState
from provisioner.routing.router.watching import Watching
from tests.support.commands import LANEWAY, end
from tests.support.loops import LoopThread
from tests.support.ports import free_port
from tests.support.waiting import SECONDS, until

Json = dict[str, Any]
NAMESPACE = "shop"
DOMAIN = "preview.example.com"
_hosts = itertools.count(1)
LIMITS = Limits(SECONDS, 100)  # held as long as a test waits for anything
BECOMES_ENVOY = (*LANEWAY, "envoy")


def address() -> str:
    """A loopback address that no other test process uses at the same time, nor this one for the last 1016."""
    block, number = divmod(next(_hosts) % 1016, 254)
    process = os.getpid() % 4096
    return f"127.{64 + process // 64}.{process % 64 * 4 + block}.{number + 1}"


def wait_until(condition: Callable[[], Any], seconds: float = SECONDS, what: str = "the condition") -> Any:
    """What `condition` gives once it is true; AssertionError after `seconds`."""
    return until(condition, what, seconds)


def chain(
    services: Sequence[str] = ("payment",),
    *,
    max_lanes: int = 50,
    entry: str = "",
    protocols: Mapping[str, tuple[tuple[int, Protocol], ...]] = MappingProxyType({}),
) -> Chain:
    return Chain(
        name="shop",
        repositories=(),
        services=tuple(
            Service(
                one,
                WorkloadRef("Deployment", one),
                "image:{sha}",
                NAMESPACE,
                (f"{one}/**",),
                protocols=protocols.get(one, ()),
            )
            for one in services
        ),
        entry=Entry(entry or services[0], f"{{lane}}.{DOMAIN}"),
        lifecycle=Lifecycle(max_lanes=max_lanes),
    )


def twin(service: str, listener: int = FIRST_LISTENER, number: int = 8080, **port: Any) -> Json:
    marks = {**labels.of_chain("shop"), labels.SERVICE: service, labels.ROLE: "baseline"}
    notes = {labels.LISTENERS: json.dumps({str(number): listener})}
    metadata = {"name": f"{service}-baseline", "namespace": NAMESPACE, "labels": marks, "annotations": notes}
    ports = [{"name": "http", "port": number, "targetPort": number, "protocol": "TCP", **port}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}


def endpoint_slice(
    service: str,
    addresses: Sequence[str],
    lane: str = "",
    *,
    ready: bool = True,
    port: int = 8080,
    name: str = "http",
) -> Json:
    marks = {**labels.of_chain("shop"), labels.SERVICE: service}
    marks |= {labels.LANE: lane} if lane else {labels.ROLE: "baseline"}
    metadata = {"name": f"{service}-{lane or 'baseline'}-x", "namespace": NAMESPACE, "labels": marks}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
        "ports": [{"name": name, "port": port, "protocol": "TCP"}],
    }


def lane(name: str, status: Json | None = None, **spec: Any) -> Json:
    metadata = {"name": f"shop.{name}", "labels": labels.of_lane("shop", name)}
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Lane",
        "metadata": metadata,
        "spec": {"chain": "shop", "lane": name, **spec},
        **({"status": status} if status else {}),
    }


def release(
    name: str,
    weight: int,
    services: Sequence[str] = ("payment",),
    *,
    phase: Phase = Phase.PROGRESSING,
    strategy: Strategy | None = None,
) -> Json:
    """A Release that takes so many percent."""
    changes = tuple(Change(one, f"{one}:2") for one in services)
    made = Release("shop", name, changes, strategy or Strategy()).to_object()
    marks = {"uid": f"uid-of-{name}", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    status = {"phase": phase.value, "weight": weight}
    return {**made, "metadata": {**made["metadata"], **marks}, "status": status}


class Store:
    """Objects to list and watch, as the part of a cluster that the router sees."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._events: list[tuple[str, Json]] = []
        self._changed = threading.Condition()
        self._held = False

    def put(self, *objects: Json) -> None:
        with self._changed:
            for obj in objects:
                self._record("MODIFIED", obj)
                self._objects[self._key(obj)] = obj

    def merge_status(self, obj: Json, change: Json) -> None:
        """A patch of an object's status as it stands now, whatever the caller knew of it."""
        with self._changed:
            now = self._objects[self._key(obj)]
            status = {**now.get("status", {}), **change}
            self.put({**now, "metadata": dict(now["metadata"]), "status": status})

    def delete(self, *objects: Json) -> None:
        with self._changed:
            for obj in objects:
                self._record("DELETED", obj)
                del self._objects[self._key(obj)]

    def hold_lists(self, held: bool) -> None:
        """While held, no list is answered, as when the API server is slow."""
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def snapshot(self, kind: str, namespace: str = "", labels: str = "") -> tuple[list[Json], str]:
        with self._changed:
            self._changed.wait_for(lambda: not self._held)
            found = [obj for obj in self._objects.values() if self._matches(obj, kind, namespace)]
            return found, str(len(self._events))

    def watch(
        self, kind: str, namespace: str = "", labels: str = "", since: str = ""
    ) -> Iterator[tuple[str, Json]]:
        seen = int(since)
        while new := self._after(seen):
            seen += len(new)
            yield from ((what, obj) for what, obj in new if self._matches(obj, kind, namespace))

    def _after(self, seen: int) -> list[tuple[str, Json]]:
        """The events after that many; none when there is none for a second, as a server ends a watch."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > seen, timeout=1.0)
            return self._events[seen:]

    def _record(self, what: str, obj: Json) -> None:
        obj["metadata"]["resourceVersion"] = str(len(self._events) + 1)
        self._events.append((what, json.loads(json.dumps(obj))))
        self._changed.notify_all()

    def _matches(self, obj: Json, kind: str, namespace: str) -> bool:
        return obj["kind"] == kind and obj["metadata"].get("namespace", "") == namespace

    def _key(self, obj: Json) -> tuple[str, str, str]:
        return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Notes:
    """What the router notes of use, written on the store's Lanes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.active_at: list[str] = []  # the lane of each note
        self.seen_chains: list[str] = []

    def active(self, lane: Json, at: datetime) -> None:
        self.active_at.append(lane["spec"]["lane"])
        self._store.merge_status(lane, {"activeAt": stamp(at)})

    def seen(self, chain: str, at: datetime) -> None:
        self.seen_chains.append(chain)


class ChainFiles:
    """The chain files as a test sets them; `problem` is what is wrong with those that came later."""

    def __init__(self, *chains: Chain) -> None:
        self.problem: LanewayError | None = None
        self.link_keys: tuple[bytes, ...] = ()
        self.write(*chains)

    def write(self, *chains: Chain) -> None:
        self._chains = {chain.name: chain for chain in chains}

    def chains(self) -> Mapping[str, Chain]:
        return self._chains

    def keys(self) -> tuple[bytes, ...]:
        return self.link_keys


class Router:
    """The discovery server over a store, stopped and started as a process would be."""

    def __init__(
        self, store: Store, wanted: Chain, limits: Limits = LIMITS, shelf: Shelf | None = None
    ) -> None:
        self._store, self.files, self._limits, self._shelf = store, ChainFiles(wanted), limits, shelf
        self.notes = Notes(store)
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._thread = LoopThread()
        self.state = RoutingState(tuple(self.files.chains().values()))
        self._thread.run(self._begin())

    async def _begin(self) -> None:
        self._stop = asyncio.Event()
        waking = Waking(self.notes, self._limits, report_seconds=1)
        self.watching = Watching(self._store, self.files, self.state, look_seconds=0.05)
        keeping = Keeping(self.state, self._shelf, Pace(0.05, 0.05)) if self._shelf else None
        serving = serve(self.watching, self.state, f"127.0.0.1:{self.port}", self._stop, waking, keeping)
        self._serving = asyncio.create_task(serving)

    async def _end(self) -> None:
        self._stop.set()
        await self._serving

    def stop(self) -> None:
        self._thread.run(self._end())
        self._thread.close()

    @property
    def streams(self) -> int:
        return self.state.streams


class Envoy:
    """A real Envoy, started as the router's pods start it."""

    def __init__(
        self,
        discovery_port: int,
        listeners: Sequence[int],
        *extra: str,
        warm: Path | None = None,
        workers: int = 1,
    ) -> None:
        self.address = address()
        self.node = Node("shop", NAMESPACE, self.address, tuple(listeners))
        self._environment = {
            "LANEWAY_CHAIN": "shop",
            "POD_NAMESPACE": NAMESPACE,
            "POD_IP": self.address,
            "LANEWAY_LISTENERS": ",".join(str(port) for port in listeners),
            "LANEWAY_DISCOVERY_ADDRESS": f"127.0.0.1:{discovery_port}",
            "LANEWAY_ENVOY_CONCURRENCY": str(workers),
            **({"LANEWAY_WARM": str(warm)} if warm else {}),
        }
        self.home: Path = launch.folder(self.node)
        self._log = (self.home / "envoy.log").open("w+")
        self.process = subprocess.Popen(
            # what helps it start ends with the process that became Envoy
            [*BECOMES_ENVOY, *extra] if warm else launch.command(self._environment, extra),
            env={**os.environ, **self._environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=self.home,
        )

    def wait_ready(self) -> None:
        wait_until(self.is_ready, what="Envoy's readiness")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, f"Envoy ended:\n{self.log()}"
        try:
            return get(self.address, READY_PORT, "/ready")[0] == 200
        except OSError:
            return False

    def log(self) -> str:
        return (self.home / "envoy.log").read_text()

    def admin(self, path: str) -> str:
        return launch.admin(self.home / launch.ADMIN_SOCKET, path)[1]

    def stat(self, name: str) -> int:
        found = self.admin(f"/stats?filter=^{name}$")
        return int(found.rsplit(" ", 1)[1]) if ": " in found else 0

    def stop(self) -> None:
        end(self.process)
        self._log.close()
        shutil.rmtree(self.home)


Headers = dict[str, str] | Sequence[tuple[str, str]]


def get(
    host: str,
    port: int = FIRST_LISTENER,
    path: str = "/",
    headers: Headers | None = None,
    method: str = "GET",
    source: str = "",
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own, from an address of this machine: status, headers in lower case,
    body. A list of headers may repeat names."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
    where = (source, 0) if source else None
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS, source_address=where)
    try:
        named = any(key.lower() == "host" for key, _ in pairs)
        connection.putrequest(method, path, skip_host=named, skip_accept_encoding=True)
        for key, value in pairs:
            connection.putheader(key, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


class Upstream:
    """An application: answers with its name and the request as it got it, as JSON."""

    def __init__(self, thread: LoopThread, name: str, port: int = 8080) -> None:
        self._thread, self.name, self.port = thread, name, port
        self.address = address()
        self.start()

    def start(self) -> None:
        self._server = self._thread.listen(self._serve, self.address, self.port, limit=1 << 20)

    def kill(self) -> None:
        """Ends as a killed process does: nobody listens, open connections are reset."""
        self._thread.run(self._server.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is done
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = [tuple(line.split(": ", 1)) for line in lines]
        if any(key.lower() == "upgrade" for key, _ in headers):
            await self._echo(reader, writer)
            return
        length = next((int(value) for key, value in headers if key.lower() == "content-length"), 0)
        await reader.readexactly(length)
        body = json.dumps({"name": self.name, "request": request, "headers": headers}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nServer: own\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As a WebSocket server, but for the frames: what comes goes back with the name before it."""
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(self.name.encode() + b":" + data)
        raise asyncio.IncompleteReadError(b"", None)
