"""devcluster's whole API, injected faults included, without a socket: for tests that ask it a hundred
thousand times.

`Local` stands where the Kubernetes client stands, so that everything above it is Laneway's own: requests,
errors, retries. It serves one thread.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes.client.api_client import ApiClient

from devcluster.api import Api
from devcluster.faults import Rule
from devcluster.front import Front
from devcluster.store import Store
from provisioner.cluster import Cluster
from tests.support.devcluster import CRDS

Json = dict[str, Any]
HEADERS = ("content-type", "user-agent", "accept")


class Memory(Store):
    """A store that nothing outlives, so that nobody waits for it to be written."""

    async def durable(self) -> None:
        return

    def _remember(self, key: tuple[str, str, str], raw: bytes | None) -> None:
        return


class Local(ApiClient):
    """The Kubernetes client's two calls, answered by devcluster in this thread."""

    def __init__(self) -> None:
        self.api = Api(Memory())
        self.front = Front(self.api)
        self.loop = asyncio.new_event_loop()

    def close(self) -> None:
        self.loop.close()
        self.api.store.close()

    def add(self, **rule: Any) -> None:
        """A fault, as `devcluster.faults.Rule` has it."""
        self.front.faults.add(Rule(**rule))

    def heal(self) -> None:
        self.front.faults.remove()

    def param_serialize(self, method: str, path: str, **parts: Any) -> Any:
        url = f"{path}?{urlencode(parts['query_params'])}"
        return method, url, parts["header_params"], parts["body"], None

    def call_api(
        self, method: str, url: str, header_params: Mapping[str, str], body: Any, _request_timeout: Any
    ) -> Any:
        raw = b"" if body is None else json.dumps(body).encode()
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in header_params.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "scheme": "http",
        }
        sent = self.loop.run_until_complete(self._ask(scope, raw))
        self.api.collector.drain()
        if not sent:
            raise urllib3.exceptions.ProtocolError("the connection was cut")
        return SimpleNamespace(response=_response(sent))

    async def _ask(self, scope: Json, raw: bytes) -> list[Json]:
        asked = [{"type": "http.request", "body": raw, "more_body": False}]
        sent: list[Json] = []

        async def receive() -> Json:
            return asked.pop() if asked else {"type": "http.disconnect"}

        async def send(message: Json) -> None:
            sent.append(message)

        await self.front(scope, receive, send)  # type: ignore[arg-type]
        return sent


def _response(sent: list[Json]) -> urllib3.HTTPResponse:
    start, *bodies = sent
    headers = {key.decode(): value.decode() for key, value in start["headers"]}
    body = io.BytesIO(b"".join(one.get("body", b"") for one in bodies))
    return urllib3.HTTPResponse(body=body, status=start["status"], headers=headers, preload_content=False)


def connected() -> tuple[Local, Cluster]:
    """A fresh cluster with Laneway's resources and its namespace."""
    local = Local()
    cluster = Cluster(local)
    for file in sorted(CRDS.glob("*.yaml")):
        cluster.apply(yaml.safe_load(file.read_text()), force=True)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "laneway-system"}}
    cluster.apply(namespace, force=True)
    return local, cluster
