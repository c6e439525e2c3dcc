"""A devcluster in the test's own process: store, API, controllers and kubelet on a loop in a thread."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from devcluster import addresses, node
from devcluster.api import Api, ApiError
from devcluster.store import Store

Object = dict[str, Any]
T = TypeVar("T")

SERVER = """
import http.server, json, os, signal, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        broken = os.path.exists(os.environ.get("BROKEN", "/nonexistent"))
        body = json.dumps({"version": os.environ.get("VERSION"), "pod": os.environ["POD"]}).encode()
        self.send_response(500 if broken and self.path == "/healthz" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        print("served", self.path, flush=True)
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("starting", os.environ["POD"], flush=True)
Server((os.environ["POD_IP"], int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
"""


class NodeCluster:
    """Runs one; every method may be called from the test's thread."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="devcluster", daemon=True)
        self._stop: asyncio.Event | None = None
        self._ended: Future[None] | None = None
        self.api: Api

    def start(self) -> None:
        self._thread.start()
        up: Future[None] = Future()
        self._ended = asyncio.run_coroutine_threadsafe(self._run(up), self._loop)
        up.result(60)

    async def _run(self, up: Future[None]) -> None:
        self._stop = asyncio.Event()
        self.state.mkdir(parents=True, exist_ok=True)
        network, claim = addresses.claim(str(self.state))
        store = Store(self.state / "store.db")
        try:
            self.api = Api(store, service_network=network)
            async with node.run(self.api, state=self.state):
                up.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if not up.done():
                up.set_exception(error)
            raise
        finally:
            store.close()
            claim.close()

    def stop(self) -> None:
        """End it; nothing happens when it has ended."""
        if not self._thread.is_alive():
            return
        assert self._stop is not None
        assert self._ended is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def do(self, call: Callable[[], T]) -> T:
        """Run a call on the loop's thread."""

        async def run() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)

    def create(self, resource: str, obj: Object) -> Object:
        return self.do(lambda: self.api.create(resource, obj["metadata"].get("namespace", "default"), obj))

    def patch(self, resource: str, name: str, body: Object) -> Object:
        return self.do(lambda: self.api.patch(resource, "default", name, body))

    def delete(self, resource: str, name: str, **options: Any) -> Object:
        return self.do(lambda: self.api.delete(resource, "default", name, **options))

    def get(self, resource: str, name: str) -> Object | None:
        def read() -> Object | None:
            try:
                return self.api.get(resource, "default", name)
            except ApiError as error:
                if error.code == 404:
                    return None
                raise

        return self.do(read)

    def list(self, resource: str, labels: str = "") -> list[Object]:
        return self.do(lambda: self.api.list(resource, "default", labels=labels))

    def logs(self, pod: str, container: str, **query: str) -> str:
        async def read() -> bytes:
            source = self.api.log_source
            assert source is not None
            obj = self.api.get("pods", "default", pod)
            return b"".join([chunk async for chunk in source(obj, container, query)])

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result(60).decode()

    def pods(self, app: str) -> list[Object]:
        return self.list("pods", f"app={app}")

    def ready_pods(self, app: str) -> list[Object]:
        return [pod for pod in self.pods(app) if condition(pod, "Ready") == "True"]

    def ready_addresses(self, service: str) -> list[str]:
        slices = self.list("endpointslices.discovery.k8s.io", f"kubernetes.io/service-name={service}")
        ready = [e for s in slices for e in s["endpoints"] if e["conditions"]["ready"]]
        return sorted(address for endpoint in ready for address in endpoint["addresses"])

    def reasons(self) -> set[str]:
        return {event["reason"] for event in self.list("events")}


def condition(obj: Object, kind: str) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == kind), "")


def make_repository(folder: Path, files: dict[str, str]) -> str:
    """A git repository with these files in one commit; the commit's id."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return commit(folder, files)


def commit(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    git = ["git", "-C", str(folder), *identity]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "change", "--allow-empty"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return head.stdout.strip()


def fetch(url: str, timeout: float = 5.0) -> str:
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        text: str = answer.read().decode()
        return text


def env(**values: str) -> list[Object]:
    own = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    return [*own, *({"name": name, "value": value} for name, value in values.items())]


def workload(name: str, container: Object, *, replicas: int = 1, **spec: Any) -> Object:
    """A Deployment (or any kind of that shape) of one container."""
    labels = {"app": name}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 5}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        },
    }


def service(name: str, port: int = 18080, **spec: Any) -> Object:
    ports = [{"name": "http", "port": port, "targetPort": "http"}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}
