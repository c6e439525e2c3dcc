"""A mesh's data plane without a container: stock Envoys on this machine, told what to do by a real istiod.

A `sidecar` is what a chain's pods would have beside them: whoever calls a Service through it is routed as the
mesh's routes say, by VirtualServices and by HTTPRoutes with a Service as parent alike. A `gateway` is where
requests from outside come in, for both kinds of Gateway. Neither intercepts anything: callers connect to the
proxy's address at the Service's port and name the Service as host.

A Sidecar resource gives each namespace's listeners a loopback address of their own, so that several meshes
can be tried at a time on one machine. What the proxies lead to must listen at an address that EndpointSlices
may name, which loopback ones are not: see `host`.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.dev.cluster.context import Context
from provisioner.routing.router import launch
from tests.support.commands import end
from tests.support.waiting import until

Json = dict[str, Any]

ISTIOD = 15010  # istiod's port for discovery in plain text
ADMIN = 15000
VERSION = "1.31.0"
RUNTIME = {
    "re2.max_program_size.error_level": 32768
}  # as Istio's own proxies are started; Envoy's default is 100
_addresses = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """The namespace that a proxy belongs to, and the address at which istiod answers."""

    cluster: Context
    namespace: str

    @property
    def host(self) -> str:
        """The node's address, which is this machine's: applications listen at it, and istiod does."""
        found = self.cluster.get("nodes")["items"][0]["status"]["addresses"]
        return next(str(one["address"]) for one in found if one["type"] == "InternalIP")


class Proxy:
    """A running Envoy; `address` is where its listeners and its administration are."""

    def __init__(self, place: Place, kind: str, marks: Mapping[str, str]) -> None:
        self.address, self.namespace = _loopback(), place.namespace
        self._home = Path(tempfile.mkdtemp(prefix="laneway-mesh-"))
        config = self._home / "bootstrap.json"
        config.write_text(json.dumps(bootstrap(place, kind, marks, self.address)))
        self._log = (self._home / "envoy.log").open("w")
        command = [launch.binary({}), "--config-path", str(config), "--use-dynamic-base-id"]
        command += ["--concurrency", "1", "--log-level", "error"]
        self.process = subprocess.Popen(
            command, stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=self._home
        )

    def admin(self, path: str) -> str:
        """What the administration interface says. OSError when nobody listens there."""
        connection = http.client.HTTPConnection(self.address, ADMIN, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def listens(self, port: int) -> bool:
        """Whether it takes connections at a port, by its own word."""
        assert self.process.poll() is None, f"Envoy ended:\n{(self._home / 'envoy.log').read_text()}"
        try:
            return any(line.endswith(f":{port}") for line in self.admin("/listeners").splitlines())
        except OSError:
            return False

    def wait_for(self, *ports: int) -> None:
        """Until it listens at all of these."""
        until(lambda: all(map(self.listens, ports)), f"the proxy listens at {ports}", seconds=60)

    def routes(self) -> list[Json]:
        """Every route configuration as istiod has sent it."""
        dump = json.loads(self.admin("/config_dump?resource=dynamic_route_configs"))
        return [one["route_config"] for one in dump.get("configs", ())]

    def stop(self) -> None:
        end(self.process)
        self._log.close()
        shutil.rmtree(self._home)


def _loopback() -> str:
    """An address that no other test process uses at the same time."""
    process = os.getpid() % 16384
    return f"127.{192 + process // 256 % 32}.{process % 256}.{next(_addresses)}"


@contextmanager
def sidecar(place: Place, ports: Mapping[int, str]) -> Iterator[Proxy]:
    """The sidecar of the namespace's pods. `ports` are the Services' ports with istio's name for what they
    speak: HTTP, GRPC, HTTP2 or TCP."""
    proxy = Proxy(place, "sidecar", {"app": "conformance"})
    try:
        place.cluster.apply(scope(place.namespace, proxy.address, ports))
        proxy.wait_for(*ports)
        yield proxy
    finally:
        proxy.stop()


@contextmanager
def gateway(place: Place, marks: Mapping[str, str]) -> Iterator[Proxy]:
    """A gateway's proxy with these labels. An istio Gateway selects them, and binds the proxy's address by
    `bind` of its servers; for a Gateway of the Gateway API see `gateway_service`."""
    proxy = Proxy(place, "router", marks)
    try:
        yield proxy
    finally:
        proxy.stop()


def scope(namespace: str, address: str, ports: Mapping[int, str]) -> Json:
    """The Sidecar resource by which the listeners of a namespace's sidecars bind an address."""
    listeners = [
        {
            "port": {"number": number, "protocol": speaks, "name": f"{speaks.lower()}-{number}"},
            "bind": address,
            "captureMode": "NONE",
            "hosts": ["./*"],
        }
        for number, speaks in sorted(ports.items())
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"egress": listeners},
    }


def gateway_service(place: Place, name: str, marks: Mapping[str, str], port: int) -> tuple[Json, Json]:
    """What `spec.addresses` of a Gateway of the Gateway API has to name (type Hostname, the Service's full
    name) so that istiod gives its listener of this port to the proxies with the labels. They bind it at every
    address of this machine."""
    head: Json = {"name": name, "namespace": place.namespace}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": head,
        "spec": {"selector": dict(marks), "ports": [{"name": "http", "port": port, "appProtocol": "http"}]},
    }
    # without an endpoint istiod says that the Gateway is not programmed; the proxy is no pod
    found = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**head, "name": f"{name}-x", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [place.host], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }
    return service, found


def bootstrap(place: Place, kind: str, marks: Mapping[str, str], address: str) -> Json:
    """How Envoy begins: as a proxy of that kind, told by istiod over one stream. Its pod's address is one
    that no application has, or istiod would take those for its own."""
    pod = f"240.{address.partition('.')[2]}"
    domain = f"{place.namespace}.svc.cluster.local"
    metadata = {
        "NAMESPACE": place.namespace,
        "NAME": kind,
        "CLUSTER_ID": "Kubernetes",
        "INTERCEPTION_MODE": "NONE",
        "ISTIO_VERSION": VERSION,
        "LABELS": dict(marks),
        "INSTANCE_IPS": pod,
    }
    told: Json = {"ads": {}, "resource_api_version": "V3"}
    stream = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "istiod"}}],
    }
    return {
        "node": {
            "id": f"{kind}~{pod}~{kind}.{place.namespace}~{domain}",
            "cluster": f"{kind}.{place.namespace}",
            "metadata": metadata,
        },
        "dynamic_resources": {"ads_config": stream, "lds_config": told, "cds_config": told},
        "static_resources": {"clusters": [_istiod(place.host)]},
        "layered_runtime": {"layers": [{"name": "istio", "static_layer": RUNTIME}]},
        "admin": {"address": _at(address, ADMIN)},
    }


def _istiod(host: str) -> Json:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": "istiod",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "istiod",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(host, ISTIOD)}}]}],
        },
    }


def _at(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}


def free_ports(host: str, count: int) -> tuple[int, ...]:
    """So many ports of an address of this machine that nobody listens at."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for one in probes:
            one.bind((host, 0))
        return tuple(one.getsockname()[1] for one in probes)
    finally:
        for one in probes:
            one.close()
