"""Tells the service proxy what to serve: Services joined with their EndpointSlices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys

import structlog

from devcluster.controllers.events import Recorder
from devcluster.controllers.view import Key, Object, View, key_of
from devcluster.controllers.workqueue import WorkQueue

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
RETRY_LISTENING = 1.0  # seconds
Address = tuple[str, int]

_log = structlog.get_logger(__name__)


class ServiceProxy:
    """Keeps the proxy process running and up to date."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._events = Recorder(view, "service-proxy")
        self._sent: dict[Key, dict[Address, Object]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self.queue = WorkQueue("service-proxy", self._reconcile)

    def start(self) -> None:
        self._view.on("services", self._service_changed)
        self._view.on(SLICES, self._slice_changed)

    def _service_changed(self, before: Object | None, after: Object | None) -> None:
        self.queue.add(key_of(after or before or {}))

    def _slice_changed(self, before: Object | None, after: Object | None) -> None:
        for found in (before, after):
            name = ((found or {}).get("metadata", {}).get("labels") or {}).get(SERVICE_NAME)
            if found is not None and name:
                self.queue.add((found["metadata"]["namespace"], name))

    def _reconcile(self, key: Key) -> None:
        if self._writer is None:
            return  # all is sent when the process is up
        service = self._view.get("services", key)
        slices = self._view.labelled(SLICES, key[0], {SERVICE_NAME: key[1]})
        wanted = served(service, slices) if service is not None else {}
        sent = self._sent.pop(key, {})
        for address in sent.keys() - wanted.keys():
            self._send({"op": "remove", "address": address[0], "port": address[1]})
        for address, how in wanted.items():
            if sent.get(address) != how:
                self._send({"op": "set", "address": address[0], "port": address[1], **how})
        if wanted:
            self._sent[key] = wanted

    def _send(self, request: Object) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(request).encode() + b"\n")

    async def keep_process(self) -> None:
        """Run the proxy process, and run it anew whenever it ends."""
        while True:
            ours, theirs = socket.socketpair()
            with theirs:
                argv = [sys.executable, "-m", "devcluster.kubelet.serviceproxy", str(theirs.fileno())]
                process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], start_new_session=True)
            reader, self._writer = await asyncio.open_unix_connection(sock=ours)
            try:
                self._send_all()
                with contextlib.suppress(ConnectionError):  # as good as its end
                    async for line in reader:
                        self._failed(json.loads(line))
            finally:
                self._writer.close()
                self._writer = None
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
            _log.warning("service-proxy.died", action="it is started again")

    def _send_all(self) -> None:
        self._sent.clear()
        for service in self._view.all("services"):
            self.queue.add(key_of(service))

    def _failed(self, event: Object) -> None:
        address = (event["address"], event["port"])
        key = next((k for k, sent in self._sent.items() if address in sent), None)
        service = self._view.get("services", key) if key is not None else None
        if key is None or service is None:
            return
        why = f"cannot listen on {address[0]}:{address[1]}: {event['error']}"
        if event["port"] < 1024:
            why += "; ports below 1024 need root: give the Service a port from 1024 up"
        self._events.warning(service, "ProxyFailed", why)
        del self._sent[key][address]
        asyncio.get_running_loop().call_later(RETRY_LISTENING, self.queue.add, key)


def served(service: Object, slices: list[Object]) -> dict[Address, Object]:
    """What to listen on for a Service, and the backends of each: [[ip, port], ...]."""
    spec = service["spec"]
    address = spec.get("clusterIP") or "None"
    if address == "None" or spec.get("type") == "ExternalName":
        return {}
    affinity = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    sticky = affinity.get("timeoutSeconds", 10800) if spec.get("sessionAffinity") == "ClientIP" else 0
    return {
        (address, port["port"]): {"backends": backends(port.get("name", ""), slices), "sticky": sticky}
        for port in spec.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    }


def backends(port_name: str, slices: list[Object]) -> list[list[str | int]]:
    """The ready endpoints of a port; where none is ready, those that end but still serve."""
    ready: list[list[str | int]] = []
    ending: list[list[str | int]] = []
    for found in slices:
        numbers = [p["port"] for p in found.get("ports") or [] if (p.get("name") or "") == port_name]
        for endpoint in found.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            pairs = [[endpoint["addresses"][0], number] for number in numbers]
            if conditions.get("ready", True):
                ready += pairs
            elif conditions.get("serving") and conditions.get("terminating"):
                ending += pairs
    return sorted(ready or ending)
