"""What a team may already have around Laneway on a real cluster: a Redis, a forge, a chain that runs.

The pods run from Laneway's images, so nothing else has to be built; all meet the `restricted` level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devcluster.dev.cluster import parts, shop
from devcluster.dev.cluster.parts import PYTHON

Json = dict[str, Any]

PORT = 8080
REDIS_PORT = 6379
HOST = "{lane}.preview.example.com"
# a forge that has no pull request, and says on its standard output who asks it
FORGE = f"""
from http.server import BaseHTTPRequestHandler, HTTPServer

class Forge(BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, self.headers.get("authorization"), flush=True)
        one = self.path.partition("?")[0].rstrip("0123456789").endswith("/pulls/")
        self.send_response(404 if one else 200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"[]")

HTTPServer(("0.0.0.0", {PORT}), Forge).serve_forever()
"""


@dataclass(frozen=True)
class Places:
    """Namespaces: of Laneway, of the chain, and of what else the team has."""

    system: str
    chain: str
    team: str

    @property
    def all(self) -> tuple[str, str, str]:
        return self.system, self.chain, self.team


def chain(places: Places) -> Json:
    """A chain of one service, with preview hosts."""
    web = {"paths": ["**"], "workload": "Deployment/web", "image": "example.invalid/web:{sha}"}
    return {
        "chain": "options",
        "namespace": places.chain,
        # of the forge's host: it is asked about its own repositories alone
        "repositories": [{"url": f"https://forge.{places.team}/acme/options.git", "name": "acme/options"}],
        "services": {"web": web},
        "entry": {"service": "web", "host": HOST},
    }


def objects(places: Places, images: dict[str, str], password: str) -> list[Json]:
    """The chain's service, a Valkey that asks for a password, and the forge."""
    own = images["laneway"]
    redis = ["valkey-server", "--requirepass", password, "--protected-mode", "no", "--save", ""]
    return [
        *(shop.namespace(name) for name in places.all),
        *served("web", places.chain, own, [PYTHON, "-m", "http.server", str(PORT)], PORT),
        *served("forge", places.team, own, [PYTHON, "-c", FORGE], PORT),
        *served("queue", places.team, images["valkey"], redis, REDIS_PORT),
    ]


def served(name: str, namespace: str, image: str, command: Sequence[str], port: int) -> tuple[Json, Json]:
    """A Deployment of one pod, and its Service at the same port."""
    return parts.deployment(name, namespace, image, command, port), parts.service(name, namespace, name, port)


def secret(name: str, namespace: str, **values: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def gateway(name: str, namespace: str, port: int) -> Json:
    """A Gateway of the team's, which takes routes from every namespace."""
    listener = {
        "name": "http",
        "port": port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    spec = {
        "gatewayClassName": "istio",
        "addresses": [{"type": "Hostname", "value": f"{name}.{namespace}.svc.cluster.local"}],
        "listeners": [listener],
    }
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": metadata,
        "spec": spec,
    }
