"""Where one embedded system keeps everything it knows: paths below one folder, and its small JSON files.

Two systems with different folders share nothing. Every file is replaced as a whole, so a reader never sees
half of one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class State:
    """The folder of one embedded system. Paths only; nothing is made until somebody writes."""

    root: Path

    @property
    def settings(self) -> Path:
        """What `up` was asked for: chain file, manifests, source, ports, secret."""
        return self.root / "system.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor while it lives; its text is the supervisor's process id."""
        return self.root / "supervisor.lock"

    @property
    def progress(self) -> Path:
        """What the supervisor has done to come up, a JSON object a line."""
        return self.root / "progress.jsonl"

    @property
    def processes(self) -> Path:
        """The processes of the current run, with start times, for `status` and for cleaning up."""
        return self.root / "processes.json"

    @property
    def endpoints(self) -> Path:
        return self.root / "endpoints.json"

    @property
    def forge(self) -> Path:
        """The pull requests of the stand-in forge."""
        return self.root / "forge.json"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def chains(self) -> Path:
        return self.root / "chains"

    @property
    def repositories(self) -> Path:
        return self.root / "repos"

    @property
    def mirrors(self) -> Path:
        return self.root / "mirrors"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def notify_key(self) -> Path:
        """The key that signs notices of releases."""
        return self.root / "notify.key"

    @property
    def kubeconfig(self) -> Path:
        return self.cluster / "kubeconfig"

    def account(self, process: str) -> Path:
        """The kubeconfig by which a process of Laneway acts, with no more rights than it needs."""
        return self.root / "accounts" / process

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def read_json(path: Path) -> Json:
    """The object in a file; an empty one when there is no file."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data


def write_json(path: Path, data: Json) -> None:
    """Replaces the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(data, indent=2) + "\n")
    fresh.replace(path)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a file's lock; gives whether it was got (always, when waiting)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def holder(state: State) -> int | None:
    """The process id of the supervisor that runs this system now, or None."""
    if not state.lock.exists():
        return None
    with locked(state.lock, wait=False) as free:
        if free:
            return None
    return int(state.lock.read_text() or 0) or None
