"""A running container's probes and hooks: what they do to its record, and when they end its process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from devcluster.controllers.view import Object
from devcluster.kubelet import probes
from devcluster.kubelet.launch import Placed
from devcluster.kubelet.status import ContainerRecord
from devcluster.kubelet.supervisor import Launch


class Tell(Protocol):
    """Writes an Event about the container."""

    def __call__(self, reason: str, message: str, *, warning: bool = False) -> None: ...


@dataclass
class Health:
    """Probes one started process. `changed` is called when the record changed; `end` ends the process."""

    placed: Placed
    record: ContainerRecord
    launch: Launch
    changed: Callable[[], None]
    tell: Tell
    end: Callable[[float], Awaitable[None]]  # (grace in seconds)
    asides: int = 0  # commands run beside the process so far

    async def watch(self) -> None:
        """Run the postStart hook, then the probes, until cancelled."""
        spec = self.record.spec
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if hook and not await self.hook("FailedPostStartHook", hook, 3600):
            await self.end(0)
            return
        if (startup := spec.get("startupProbe")) is not None and not await self._starts(startup):
            return
        async with asyncio.TaskGroup() as group:
            if (readiness := spec.get("readinessProbe")) is not None:
                group.create_task(probes.watch(readiness, self._target(), self._readiness, eager=True))
            if (liveness := spec.get("livenessProbe")) is not None:
                group.create_task(self._fails("Liveness", liveness, wait_for_success=False))

    async def hook(self, reason: str, hook: Object, limit: float) -> bool:
        """Run a hook for at most `limit` seconds; a failure is an Event of that reason."""
        failure = await probes.attempt({**hook, "timeoutSeconds": limit}, self._target())
        if failure:
            self.tell(reason, failure, warning=True)
        return not failure

    async def _starts(self, probe: Object) -> bool:
        if await self._fails("Startup", probe, wait_for_success=True):
            return False
        self.record.started = True
        self.record.ready = "readinessProbe" not in self.record.spec
        self.changed()
        return True

    def _readiness(self, success: bool, failure: str) -> None:
        if failure:
            self.tell("Unhealthy", f"Readiness probe failed: {failure}", warning=True)
        if success != self.record.ready:
            self.record.ready = success
            self.changed()

    async def _fails(self, kind: str, probe: Object, *, wait_for_success: bool) -> bool:
        """Wait for the verdict "failed", which ends the process, or for a success where that is wanted."""
        verdict: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def report(success: bool, failure: str) -> None:
            if not verdict.done() and (not success or wait_for_success):
                verdict.set_result(failure)

        watching = probes.watch(probe, self._target(), report, eager=wait_for_success)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watching)
            failure = await verdict
            task.cancel()
        if failure:
            await self._restart(kind, probe, failure)
        return bool(failure)

    async def _restart(self, kind: str, probe: Object, failure: str) -> None:
        self.tell("Unhealthy", f"{kind} probe failed: {failure}", warning=True)
        name = self.record.name
        self.tell("Killing", f"Container {name} failed {kind.lower()} probe, will be restarted")
        usual = self.placed.pod["spec"].get("terminationGracePeriodSeconds", 30)
        await self.end(float(probe.get("terminationGracePeriodSeconds", usual)))

    def _target(self) -> probes.Target:
        ports = {p["name"]: p["containerPort"] for p in self.record.spec.get("ports") or [] if "name" in p}
        return probes.Target(self.placed.ip, ports, self._exec)

    async def _exec(self, command: list[str], timeout: float) -> tuple[int, str]:
        """Run a command beside the container's process, with its environment and folder."""
        self.asides += 1
        name = f"exec-{self.asides}"
        log = self.placed.folder / f"{self.record.name}.{name}"
        launch = Launch(f"{self.launch.ident}/{name}", command, self.launch.env, self.launch.cwd, log)
        supervisor = self.placed.host.supervisor
        process = await supervisor.start(launch)
        try:
            ended = await asyncio.shield(process.exited)
            return ended.code, _text(log.read_text(errors="replace"))
        finally:
            supervisor.signal(process, signal.SIGKILL)
            log.unlink(missing_ok=True)


def _text(log: str) -> str:
    """What a log file says, without its stamps."""
    return "\n".join(line.split(" ", 3)[-1] for line in log.splitlines())[:1024]
