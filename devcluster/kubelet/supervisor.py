"""The kubelet's side of the shim: start a process group, signal it, learn how it ended.

Promises: the shim is started again when it dies; processes of a dead shim (or of a run of devcluster
that was killed) are found by the mark in their environment and killed before anything new is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from devcluster.kubelet import shim

NODE_MARK = "DEVCLUSTER_NODE"  # in every container's environment: the state folder it belongs to

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Exit:
    """How a process ended. `code` is 128 + signal when a signal ended it, as container runtimes report."""

    code: int
    signal: int = 0
    reason: str = ""  # set when it never ran or was lost: a Kubernetes reason, e.g. StartError
    message: str = ""


@dataclass(frozen=True)
class Launch:
    """What to start. `log` is the file that gets its output; `ident` is unique among all ever started."""

    ident: str
    argv: list[str]
    env: dict[str, str]
    cwd: Path
    log: Path


@dataclass
class Process:
    """A started process group; `exited` is done when its first process ended and its output is written."""

    ident: str
    started: asyncio.Future[int] = field(repr=False)
    exited: asyncio.Future[Exit] = field(repr=False)


class Supervisor:
    """Starts and signals process groups through the shim. Use as `async with supervise(state)`."""

    def __init__(self, mark: str, held: list[int]) -> None:
        self._mark = mark
        self._held = held
        self._processes: dict[str, Process] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._up = asyncio.Event()

    async def start(self, launch: Launch) -> Process:
        """Start it and return when it runs.

        :raises OSError: it cannot be executed; the message names the file
        """
        await self._up.wait()
        loop = asyncio.get_running_loop()
        process = Process(launch.ident, loop.create_future(), loop.create_future())
        self._processes[launch.ident] = process
        env = {**launch.env, NODE_MARK: self._mark}
        self._send(
            op="start", id=launch.ident, argv=launch.argv, env=env, cwd=str(launch.cwd), log=str(launch.log)
        )
        await process.started
        return process

    def signal(self, process: Process, number: int) -> None:
        """Signal the whole group; nothing happens when it has ended."""
        if process.ident in self._processes:
            self._send(op="signal", id=process.ident, signal=number)

    def pids(self) -> dict[str, int]:
        """The first process of each running group, by ident."""
        return {i: p.started.result() for i, p in self._processes.items() if _done_well(p.started)}

    def _send(self, **request: Any) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(request).encode() + b"\n")

    async def keep_shim(self) -> None:
        """Run the shim, and run it anew whenever it ends."""
        while True:
            kill_marked(NODE_MARK, self._mark)
            async with self._shim() as reader:
                self._up.set()
                with contextlib.suppress(ConnectionError):  # as good as its end
                    async for line in reader:
                        self._take(json.loads(line))
            self._up.clear()
            self._lose_all()
            _log.warning("shim.died", action="its pods are killed and started again")

    @contextlib.asynccontextmanager
    async def _shim(self) -> AsyncIterator[asyncio.StreamReader]:
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-I", "-S", shim.__file__, str(theirs.fileno())]
            passed = [theirs.fileno(), *self._held]
            process = subprocess.Popen(argv, pass_fds=passed, start_new_session=True)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 24)
        try:
            yield reader
        finally:
            self._writer.close()
            self._writer = None
            await asyncio.to_thread(process.wait)

    def _take(self, event: dict[str, Any]) -> None:
        process = self._processes.get(event["id"])
        if process is None:
            return
        if event["event"] == "started":
            _settle(process.started, event["pid"])
            return
        del self._processes[event["id"]]
        if event["event"] == "failed":
            if not process.started.done():
                process.started.set_exception(OSError(event["error"]))
        else:
            _settle(process.exited, Exit(event["code"], event["signal"]))

    def _lose_all(self) -> None:
        lost, self._processes = self._processes, {}
        for process in lost.values():
            message = "the process that owns the containers died, and all containers with it"
            _settle(process.exited, Exit(137, signal.SIGKILL, "ContainerStatusUnknown", message))
            if not process.started.done():
                process.started.set_exception(OSError(message))


def _settle(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _done_well(future: asyncio.Future[int]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


@contextlib.asynccontextmanager
async def supervise(mark: str, held: list[int]) -> AsyncIterator[Supervisor]:
    """A supervisor whose processes all end with this context.

    :param mark: names the owner of the processes over restarts, e.g. the state folder's path
    :param held: file descriptors that the shim keeps open as long as it has processes
    """
    supervisor = Supervisor(mark, held)
    keeper = asyncio.create_task(supervisor.keep_shim(), name="shim")
    try:
        yield supervisor
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


def kill_marked(name: str, value: str) -> int:
    """Kill every process that has NAME=VALUE in its environment, and return how many there were.

    The process is pinned by a descriptor before its environment is read, so a reused number is never hit.
    """
    return sum(_kill_if_marked(pid, f"{name}={value}".encode()) for pid in _all_pids())


def _all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's: not ours in either case
        return []


def _kill_if_marked(pid: int, mark: bytes) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # ended meanwhile
        return False
    try:
        if mark not in _environment(pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
