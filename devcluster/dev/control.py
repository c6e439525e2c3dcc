"""Starts, ends and describes an embedded system from outside: what `laneway dev` does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.dev import census, system
from devcluster.dev.children import die_with_parent
from devcluster.dev.state import State, holder, locked, read_json
from devcluster.dev.system import Asked
from provisioner.errors import LanewayError

Json = dict[str, Any]

RISE = 180.0  # seconds in which a system comes up, on a slow and busy machine
FALL = 45.0  # seconds in which it ends before it is killed
POLL = 0.05

# supervisors that this process started, to be waited for when they have ended
_started: dict[Path, subprocess.Popen[bytes]] = {}


class EmbeddedSystemError(LanewayError):
    """The embedded system did not do what it was told."""

    reason = "EmbeddedSystem"


@dataclass(frozen=True)
class Step:
    """A line of the supervisor's progress; `seconds` since its start. `end`: "", "ready" or "failed"."""

    step: str
    seconds: float
    end: str = ""
    message: str = ""


def up(state: State, asked: Asked, report: Callable[[Step], None], *, tied: bool = False) -> bool:
    """Brings the system up; False when it was up already. With `tied` it ends when this process does.

    Raises EmbeddedSystemError when it does not come up; then nothing is left running.
    """
    _check(state.root)
    with locked(state.root / "up.lock"):
        if holder(state):
            return False
        end_leftovers(state)
        _settle(state, asked)
        _reap(state)
        supervisor = _started[state.root] = _start(state, tied=tied)
        try:
            for step in _follow(state, supervisor):
                report(step)
                if step.end == "failed":
                    message = f"{step.message}\nNothing was left running. Logs: {state.logs}"
                    raise EmbeddedSystemError(message, where="dev up")
        except BaseException:
            down(state)
            raise
    return True


def down(state: State) -> bool:
    """Ends the system; False when it was not up. Nothing of it runs when this returns."""
    pid = holder(state)
    if pid is not None:
        _end(state, pid)
    _reap(state)
    end_leftovers(state)
    state.endpoints.unlink(missing_ok=True)
    return pid is not None


def end_leftovers(state: State) -> None:
    """Kills what an earlier run left: by process id, and only where the start time is the recorded one."""
    for name, pids in read_json(state.processes).get("pids", {}).items():
        for pid, started in pids:
            if not census.kill(pid, started):
                raise EmbeddedSystemError(f"{name} (process {pid}) of an earlier run does not end")
    state.processes.unlink(missing_ok=True)


def _check(root: Path) -> None:
    """Makes the folder. Raises EmbeddedSystemError for what this machine lacks for a system in it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be made a folder: {error.strerror}"
    else:
        problem = "" if os.access(root, os.W_OK | os.X_OK) else "cannot be written to"
    if problem:
        raise EmbeddedSystemError(f"{problem}; choose another with --state DIR", where=str(root))
    if shutil.which("git") is None:
        raise EmbeddedSystemError("git is not on PATH; install it (Debian: apt-get install git)")


def _settle(state: State, asked: Asked) -> None:
    for folder in (state.logs, state.mirrors, state.chains):
        folder.mkdir(parents=True, exist_ok=True)
    state.progress.unlink(missing_ok=True)
    try:
        system.settle(state, asked)
    except ValueError as error:
        raise EmbeddedSystemError(str(error), where="dev up") from error


def _start(state: State, *, tied: bool) -> subprocess.Popen[bytes]:
    with state.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "devcluster.dev.supervisor", "--state", str(state.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=state.root,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM) if tied else None,
        )


def _follow(state: State, supervisor: subprocess.Popen[bytes]) -> Iterator[Step]:
    """The steps as they come, up to the last. Raises EmbeddedSystemError when it dies or takes too long."""
    deadline = time.monotonic() + RISE
    seen = 0
    while time.monotonic() < deadline:
        over = supervisor.poll() is not None
        steps = _steps(state)
        yield from steps[seen:]
        if steps and steps[-1].end:
            return
        if over:
            words = state.log("supervisor").read_text(errors="replace")[-2000:]
            raise EmbeddedSystemError(f"the supervisor ended:\n{words}", where="dev up")
        seen = len(steps)
        time.sleep(POLL)
    raise EmbeddedSystemError(f"not up within {RISE:.0f} s; logs: {state.logs}", where="dev up")


def _steps(state: State) -> list[Step]:
    if not state.progress.exists():
        return []
    complete = state.progress.read_text().rpartition("\n")[0]
    return [Step(**json.loads(line)) for line in complete.splitlines()]


def _end(state: State, pid: int) -> None:
    _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + FALL
    while holder(state) or census.runs(pid):
        if time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)
            deadline = time.monotonic() + FALL
        time.sleep(POLL)


def _reap(state: State) -> None:
    """Waits for the supervisor that this process started, which has ended."""
    ended = _started.pop(state.root, None)
    if ended is not None:
        ended.wait(FALL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
