"""Keeps a process running: starts it, waits for its end, starts it again after a pause.

A child is in its own process group and dies with the supervisor, even when that is killed: the kernel sends
the signal when the thread that made the child ends, so children are made by the main thread only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.dev.backoff import Backoff
from devcluster.dev.processes import Process

PR_SET_PDEATHSIG = 1
GRACE = 8.0  # seconds between asking a process to end and making it end

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(what: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """For `preexec_fn`: the new process gets `what` when the thread that starts it ends."""
    parent = os.getpid()

    def bind() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(what), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel was told
            os.kill(os.getpid(), what)

    return bind


@dataclass
class Child:
    """One process that is kept running until `stop`. `changed` is called at every start and end."""

    process: Process
    log: Path
    changed: Callable[[], None]
    restarts: int = 0
    since: float = 0.0  # Unix time of the last start
    backoff: Backoff = field(default_factory=Backoff)
    _running: asyncio.subprocess.Process | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._running.pid if self._running else None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep(), name=self.process.name)
        self._task.add_done_callback(surface)

    async def stop(self) -> None:
        """Ends the process: asked first, then made to; what it left in its group ends with it."""
        running = self._running
        await self._no_more_starts()
        if running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            running.terminate()
        try:
            await asyncio.wait_for(running.wait(), GRACE)
        except TimeoutError:
            pass
        _end_group(running.pid)
        await running.wait()
        self._running = None

    async def _no_more_starts(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            await self._run()
            self.backoff = self.backoff.died(time.monotonic() - began)
            self._note(f"ended; it is started again in {self.backoff.delay:.0f} s")
            await asyncio.sleep(self.backoff.delay)
            self.restarts += 1

    async def _run(self) -> None:
        """One life of the process, to its end."""
        try:
            self._running = await self._spawn()
        except OSError as error:
            self._note(f"cannot be started: {error}")
            return
        self.since = time.time()
        self.changed()
        code = await self._running.wait()
        _end_group(self._running.pid)
        self._running = None
        self._note(f"exit code {code}")
        self.changed()

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self.log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *self.process.command,
                env=dict(self.process.env) or None,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )

    def last_words(self) -> str:
        """The end of the log of a process that died in this run; empty for one that did not."""
        if not self.backoff.deaths:
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-6:]
        return "\n".join([f"\n{self.process.name} died {self.backoff.deaths} times:", *lines])

    def _note(self, text: str) -> None:
        with self.log.open("a") as out:
            out.write(f"-- {time.strftime('%H:%M:%S')} supervisor: {self.process.name}: {text}\n")


def surface(task: asyncio.Task[None]) -> None:
    """A task's callback: what it raised goes to the loop's exception handler, and is not lost."""
    if not task.cancelled():
        task.result()


def _end_group(group: int) -> None:
    """Kills whatever is left in a process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
