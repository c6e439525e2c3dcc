"""A whole system whose lanes are made tired: their last use is set back, as if nobody had come for hours."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from devcluster.dev import control, processes
from devcluster.dev.repository import git
from devcluster.dev.state import State, read_json
from devcluster.dev.system import Asked
from provisioner.cluster import Cluster, connect
from tests.support.waiting import until

Json = dict[str, Any]
LONG_AGO = "2026-01-01T00:00:00.000000Z"
USE = "laneway-use-shop"
NAMESPACE = "laneway-system"


@contextmanager
def village(folder: Path) -> Iterator[Village]:
    """A system of its own with its state in `folder`, ended afterwards."""
    state = State(folder / "system")
    control.up(state, Asked(forge=True), lambda _: None)
    try:
        yield Village(state, folder / "clone")
    finally:
        control.down(state)


class Village:
    """A system that is up, with its stand-in forge and a clone of its repository."""

    def __init__(self, state: State, clone: Path) -> None:
        self.state, self.known, self.clone = state, read_json(state.endpoints), clone
        self.cluster: Cluster = connect(self.known["kubeconfig"])
        git(clone.parent, "clone", "--quiet", self.known["repository"], str(clone))

    def open_lane(self, name: str, service: str = "payment") -> None:
        """A branch that changes one service, and its lane when it serves."""
        git(self.clone, "switch", "--quiet", "--create", name, "origin/main")
        self.push(name, service, "2")
        until(lambda: self.versions(name)[service] == ("2", name), f"lane {name} serves", seconds=60)

    def push(self, name: str, service: str, version: str) -> None:
        """Another version of a service on the branch."""
        git(self.clone, "switch", "--quiet", name)
        file = self.clone / service / "app.py"
        file.write_text(re.sub(r'VERSION = ".*"', f'VERSION = "{version}"', file.read_text()))
        git(self.clone, "commit", "--quiet", "--all", "--message", f"Version {version}")
        self.git_push(name)

    def git_push(self, *refs: str) -> None:
        """A push whose deliveries the receiver has."""
        command = ["git", "-C", str(self.clone), "push", "--quiet", "origin", *refs]
        subprocess.run(command, check=True, capture_output=True, env=processes.clean())

    def tire(self, name: str) -> None:
        """Nobody has used the lane for long, and use was seen all that time. A report of earlier use may
        still be on its way, and say otherwise: call it again then."""
        if self.status(name)["activeAt"] == LONG_AGO:
            return
        until(lambda: self.cluster.get("Lease", USE, NAMESPACE), "a report of an Envoy", seconds=30)
        self.cluster.merge("Lease", USE, {"spec": {"acquireTime": LONG_AGO}}, NAMESPACE)
        patch = {"status": {"activeAt": LONG_AGO}}
        self.cluster.merge("Lane", f"shop.{name}", patch, subresource="status")

    def put_to_sleep(self, name: str) -> None:
        def sleeps() -> bool:
            self.tire(name)
            return self.is_asleep(name)

        until(sleeps, f"lane {name} sleeps", seconds=30)

    def falls_asleep(self, name: str) -> None:
        """Has it fall asleep, though it may be awake again at once."""
        slept = self.times(name, "Asleep")

        def fell() -> bool:
            if self.times(name, "Asleep") == slept:
                self.tire(name)
            return self.times(name, "Asleep") > slept

        until(fell, f"lane {name} falls asleep", seconds=30)

    def is_asleep(self, name: str) -> bool:
        """Its phase says so, and none of its pods is left."""
        selector = f"laneway.dev/lane={name}"
        return self.status(name).get("phase") == "Sleeping" and not self.cluster.list("Pod", "shop", selector)

    def status(self, name: str) -> Json:
        found = self.cluster.get("Lane", f"shop.{name}")
        return (found or {}).get("status") or {}

    def observed(self, name: str) -> bool:
        """Whether a convergence has seen the lane's spec as it is."""
        found = self.cluster.get("Lane", f"shop.{name}") or {}
        return bool(found["metadata"]["generation"] == found["status"]["observedGeneration"])

    def owned(self, name: str) -> list[str]:
        """What bears the lane's label."""
        return [
            f"{kind} {one['metadata']['name']}"
            for kind in ("Deployment", "Service", "Pod")
            for one in self.cluster.list(kind, "shop", f"laneway.dev/lane={name}")
        ]

    def times(self, name: str, event: str) -> int:
        """How often something happened to the lane."""
        return self.events(name).count(event)

    def events(self, name: str) -> list[str]:
        return [one["event"] for one in self.status(name)["timeline"]]

    def route(self, name: str, service: str = "payment") -> str:
        return next(str(one["route"]) for one in self.status(name)["services"] if one["name"] == service)

    def ask(self, lane: str = "", **headers: str) -> httpx.Response:
        """One request at the entry."""
        tag = {"x-preview-lane": lane} if lane else {}
        return httpx.get(self.known["entry"], headers={**tag, **headers}, timeout=40)

    def versions(self, lane: str = "") -> dict[str, tuple[str, str]]:
        """Each service's version and lane, as one request met them."""
        answer = self.ask(lane)
        assert answer.status_code == 200, answer.text
        return {one["service"]: (one["version"], one["lane"]) for one in answer.json()["hops"]}

    def payment(self, lane: str) -> tuple[int, object]:
        """Status, and the version and lane that payment answered with."""
        answer = self.ask(lane)
        if answer.status_code != httpx.codes.OK:
            return answer.status_code, answer.text
        found = {one["service"]: (one["version"], one["lane"]) for one in answer.json()["hops"]}
        return answer.status_code, found.get("payment")
