"""What the story acts on: the chain's entry, the cluster's API, and a clone of the repository."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from devcluster.dev import processes
from devcluster.dev.demo.tell import StepFailed, Tell, expect
from devcluster.dev.ports import HOST
from devcluster.dev.repository import git
from provisioner import labels

Json = dict[str, Any]

CHAIN = ("frontend", "orders", "payment", "logistics")
PATIENCE = 30.0  # seconds that anything may take before the story gives up
POLL = 0.05
SERVED = "x-preview-lane-served"


@dataclass(frozen=True)
class Hop:
    service: str
    version: str
    lane: str

    def __str__(self) -> str:
        return f"{self.service} v{self.version} ({self.lane or 'baseline'})"


@dataclass(frozen=True)
class Reply:
    """What the entry answered; `served` is who answered at the entry, empty for a plain request."""

    hops: tuple[Hop, ...]
    served: str

    def __str__(self) -> str:
        return " -> ".join(map(str, self.hops))

    @property
    def lanes(self) -> dict[str, str]:
        """Service to the lane that it was served from; the baseline is empty."""
        return {hop.service: hop.lane for hop in self.hops}


@dataclass(frozen=True)
class Seen:
    """A lane as it was seen in the cluster."""

    uid: str
    status: Json

    def __str__(self) -> str:
        conditions = self.status.get("conditions", ())
        said = next((one["message"] for one in conditions if one["type"] == "Ready"), "no status yet")
        return f"{self.status.get('phase', 'no phase')}: {said}"

    @property
    def ready(self) -> bool:
        return self.status.get("phase") == "Ready"

    @property
    def services(self) -> list[Json]:
        return list(self.status.get("services", ()))


@dataclass
class Stage:
    """One run of the story. `notes` keeps what later steps need from earlier ones."""

    endpoints: Json
    clone: Path
    tell: Tell
    notes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def entry(self) -> httpx.Client:
        return httpx.Client(base_url=self.endpoints["entry"], timeout=10.0)

    @cached_property
    def api(self) -> httpx.Client:
        return httpx.Client(base_url=self.endpoints["api"], timeout=10.0)

    def url_of(self, lane: str) -> str:
        """Where a browser finds the lane."""
        return str(self.endpoints["preview"]).replace("{lane}", lane)

    def close(self) -> None:
        self.entry.close()
        self.api.close()

    def ask(self, headers: Mapping[str, str] | None = None, client: httpx.Client | None = None) -> Reply:
        """One request at the entry."""
        answer = (client or self.entry).get("/", headers=dict(headers or {}))
        if answer.status_code != httpx.codes.OK:
            raise StepFailed("the entry's answer", 200, f"{answer.status_code} {answer.text[:300]}")
        hops = tuple(Hop(**one) for one in answer.json()["hops"])
        return Reply(hops, answer.headers.get(SERVED, ""))

    def show_ask(self, headers: Mapping[str, str] | None = None) -> Reply:
        """One request, told as the curl line that makes it."""
        given = "".join(f" -H '{name}: {value}'" for name, value in (headers or {}).items())
        self.tell.done(f"curl{given} {self.endpoints['entry']}")
        reply = self.ask(headers)
        self._came(reply)
        return reply

    def _came(self, reply: Reply) -> None:
        served = [f"[{SERVED}: {reply.served}]"] if reply.served else []
        self.tell.went([f"{hop} ->" for hop in reply.hops[:-1]] + [str(reply.hops[-1])] + served)

    def show_open(self, url: str) -> Reply:
        """One request by a host below `localhost`, told as the curl line that makes it. curl and browsers
        look for such a host on this machine; Python does not know of that."""
        self.tell.done(f"curl {url}")
        whole = httpx.URL(url)
        here = httpx.Client(base_url=whole.copy_with(host=HOST), timeout=10.0)
        with here as client:
            reply = self.ask({"Host": whole.netloc.decode()}, client)
        self._came(reply)
        return reply

    def git(self, *arguments: str) -> str:
        """A git command in the clone, told; gives what it printed on standard output."""
        self.tell.done(shlex.join(["git", *arguments]))
        return git(self.clone, *arguments)

    def push(self, *refs: str) -> list[str]:
        """Pushes, and gives what the forge's hook said of its deliveries."""
        self.tell.done(shlex.join(["git", "push", "origin", *refs]))
        done = subprocess.run(
            ["git", "-C", str(self.clone), "push", "origin", *refs],
            check=False,
            capture_output=True,
            text=True,
            env=processes.clean(),
        )
        said = [line.removeprefix("remote:").strip() for line in done.stderr.splitlines()]
        deliveries = [line for line in said if line.startswith("POST ")]
        expect("git push", (done.returncode, bool(deliveries)), (0, True))
        self.tell.came(deliveries)
        expect("each delivery is queued", [line for line in deliveries if " -> 202 " not in line], [])
        return deliveries

    def kubectl(self, *arguments: str) -> str:
        """What the installed kubectl prints, told as it is typed after `laneway dev env`."""
        self.tell.done(shlex.join(["kubectl", *arguments]))
        done = subprocess.run(
            [str(processes.BIN / "kubectl"), "--kubeconfig", self.endpoints["kubeconfig"], *arguments],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StepFailed(f"kubectl {arguments[0]}", "exit code 0", done.stderr.strip())
        return done.stdout

    def change(self, service: str, version: str) -> None:
        """Gives a service another version in the clone's working tree."""
        file = self.clone / service / "app.py"
        file.write_text(re.sub(r'VERSION = ".*"', f'VERSION = "{version}"', file.read_text()))
        self.tell.done(f"sed -i 's/VERSION = .*/VERSION = \"{version}\"/' {service}/app.py")

    def lane(self, name: str) -> Seen | None:
        """The lane as the cluster has it, or None."""
        path = f"/apis/{labels.API_VERSION}/lanes/{self.endpoints['chain']}.{name}"
        answer = self.api.get(path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: Json = answer.raise_for_status().json()
        return Seen(found["metadata"]["uid"], found.get("status", {}))


def wait(what: str, look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """Looks until what is seen is wanted; gives it. Raises StepFailed with what was seen last."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise StepFailed(what, f"within {PATIENCE:.0f} s", f"last seen: {seen}")
        time.sleep(POLL)
