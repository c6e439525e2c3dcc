"""A devcluster for tests, and a small client that speaks plain Kubernetes HTTP to it or to any API server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.commands import program

DEADLINE = 60.0  # seconds; a condition that takes longer has failed

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"


class Cluster:
    """Requests to one API server; `expect` is the status that the answer must have."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int | None = None,
        type_: str = "application/json",
        **options: Any,
    ) -> Any:
        accept = options.pop("accept", "application/json")
        headers = {"accept": accept, "content-type": type_, **options.pop("headers", {})}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        answer = self.client.request(method, path, content=content, headers=headers, params=options)
        if expect is not None:
            assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def get(self, path: str, *, expect: int = 200, **options: Any) -> Any:
        return self.send("GET", path, expect=expect, **options).json()

    def post(self, path: str, body: Any, *, expect: int | None = 201, **options: Any) -> Any:
        return self.send("POST", path, body, expect=expect, **options).json()

    def put(self, path: str, body: Any, *, expect: int | None = 200, **options: Any) -> Any:
        return self.send("PUT", path, body, expect=expect, **options).json()

    def patch(
        self, path: str, body: Any, type_: str = MERGE, *, expect: int | None = 200, **options: Any
    ) -> Any:
        return self.send("PATCH", path, body, expect=expect, type_=type_, **options).json()

    def apply(self, path: str, body: Any, manager: str, *, expect: int | None = None, **options: Any) -> Any:
        answer = self.send("PATCH", path, body, type_=APPLY, fieldManager=manager, **options)
        wanted = (200, 201) if expect is None else (expect,)
        assert answer.status_code in wanted, answer.text
        return answer.json()

    def delete(self, path: str, options: Any = None, *, expect: int | None = None, **query: Any) -> Any:
        return self.send("DELETE", path, options, expect=expect, **query).json()

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of a watch, which ends by itself after the deadline."""
        query = {"watch": "true", "timeoutSeconds": int(DEADLINE), **query}
        with self.client.stream("GET", path, params=query, headers={"accept": "application/json"}) as answer:
            assert answer.status_code == 200, answer.read()
            yield (json.loads(line) for line in answer.iter_lines() if line)

    def await_found(self, path: str) -> Any:
        return wait_for(lambda: self._found(path), f"{path} to exist")

    def await_gone(self, path: str) -> None:
        wait_for(lambda: self.send("GET", path).status_code == 404, f"{path} to be gone")

    def _found(self, path: str) -> Any:
        answer = self.send("GET", path)
        return answer.json() if answer.status_code == 200 else None


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` returns once it is true; AssertionError after the deadline."""
    end = time.monotonic() + DEADLINE
    pause = 0.01
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {DEADLINE} s for {what}"
        time.sleep(pause)
        pause = min(0.25, pause * 1.5)
    return found


@dataclass
class Server:
    """One running devcluster."""

    process: subprocess.Popen[bytes]
    state: Path
    url: str
    cluster: Cluster

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"


@contextlib.contextmanager
def started(state: Path, *arguments: str) -> Iterator[Server]:
    """A devcluster that serves the API alone, ended with the block."""
    about = state / "apiserver.json"
    before = about.read_bytes() if about.exists() else b""
    command = [sys.executable, "-m", "devcluster", "--state", str(state), *(arguments or ("--no-node",))]
    with program(command) as process:
        wait_for(
            lambda: process.poll() is not None or (about.exists() and about.read_bytes() != before),
            "apiserver.json",
        )
        assert process.poll() is None, "devcluster ended at its start"
        url = json.loads(about.read_bytes())["url"]
        with httpx.Client(base_url=url, timeout=30) as client:
            wait_for(lambda: _ready(client), "devcluster to be ready")
            yield Server(process, state, url, Cluster(client))


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


# objects


def config_map(name: str, **data: str) -> dict[str, Any]:
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return {**head, "data": data} if data else head


def pod_template(name: str = "web", image: str = "example.invalid/web:1") -> dict[str, Any]:
    containers = [{"name": "app", "image": image, "ports": [{"containerPort": 8080}]}]
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    """A Deployment of no replicas, so that no controller adds to what a case looks at."""
    whole = {
        "replicas": 0,
        "selector": {"matchLabels": {"app": name}},
        "template": pod_template(name),
        **spec,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    """A pod that no node takes."""
    containers = [{"name": "app", "image": "example.invalid/web:1"}]
    whole = {"containers": containers, "nodeSelector": {"nowhere": "true"}, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    whole = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": whole}


def fields(status: dict[str, Any]) -> list[str]:
    """The paths of the wrong fields that a refusal names."""
    named = [cause["field"].removeprefix(".") for cause in status["details"]["causes"]]
    return [
        name for name in dict.fromkeys(named) if name != "<nil>"
    ]  # which says only that more may be wrong
