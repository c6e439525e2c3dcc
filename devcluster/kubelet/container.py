"""One container's life: image, configuration, process, probes, exit, back-off, again.

The runner writes a `ContainerRecord` and calls `changed` whenever that changed; it never ends by itself as
long as the restart policy wants the container, and ends soon after `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from devcluster.controllers.view import now
from devcluster.kubelet.backoff import LONGEST_PULL, Backoff
from devcluster.kubelet.environment import ConfigError
from devcluster.kubelet.health import Health
from devcluster.kubelet.images import ImageError
from devcluster.kubelet.launch import Placed, image_folder, prepare
from devcluster.kubelet.status import ContainerRecord
from devcluster.kubelet.supervisor import Exit, Launch, Process

T = TypeVar("T")

ERR_IMAGE_PULL_SHOWN = 0.5  # seconds that the first reason shows before it becomes ImagePullBackOff

_log = structlog.get_logger(__name__)


class Runner:
    """Runs one container of a placed pod until it is not to be started again, or stopped."""

    def __init__(self, placed: Placed, record: ContainerRecord, changed: Callable[[], None]) -> None:
        self.record = record
        self.up = asyncio.Event()  # set when it first counted as started: native sidecars are waited for
        self._placed = placed
        self._notify = changed
        self._process: Process | None = None
        self._health: Health | None = None
        self._stopping = asyncio.Event()
        self._crashes = Backoff()

    async def run(self) -> None:
        while not self._stopping.is_set():
            launch = await self._configured()
            if launch is None:
                return
            begun = asyncio.get_running_loop().time()
            ended = await self._once(launch)
            again = self._wanted_again(ended)
            self._terminated(ended, final=not again)
            if not again:
                return
            await self._back_off(asyncio.get_running_loop().time() - begun)

    async def stop(self, grace: float) -> None:
        """End it: preStop hook, SIGTERM, and SIGKILL once `grace` seconds are over."""
        self._stopping.set()
        process = self._process
        if process is None or process.exited.done():
            return
        self._event("Killing", f"Stopping container {self.record.name}")
        deadline = asyncio.get_running_loop().time() + grace
        if grace > 0:
            await self._pre_stop(process, grace)
        await self._end(process, deadline - asyncio.get_running_loop().time())

    def kill(self) -> None:
        """End it at once; for a stop whose grace was cut short."""
        if self._process is not None:
            self._placed.host.supervisor.signal(self._process, signal.SIGKILL)

    async def _pre_stop(self, process: Process, grace: float) -> None:
        """The preStop hook; not awaited beyond the end of the process."""
        hook = (self.record.spec.get("lifecycle") or {}).get("preStop")
        if hook and self._health is not None:
            hooking = asyncio.create_task(self._health.hook("FailedPreStopHook", hook, grace))
            await _first_of(hooking, process.exited)
            hooking.cancel()
            await asyncio.wait([hooking])

    async def _end(self, process: Process, grace: float) -> None:
        supervisor = self._placed.host.supervisor
        if grace > 0:
            supervisor.signal(process, signal.SIGTERM)
            await asyncio.wait([process.exited], timeout=grace)
        supervisor.signal(process, signal.SIGKILL)
        await asyncio.wait([process.exited])

    # getting ready

    async def _configured(self) -> Launch | None:
        """What to start, as soon as image and configuration are there; None when stopped before."""
        delays = Backoff(LONGEST_PULL)
        while not self._stopping.is_set():
            try:
                pulling = image_folder(self._placed, self.record.spec, self._event)
                folder = await self._unless_stopped(pulling)
                if folder is None:
                    return None
                return prepare(self._placed, self.record.spec, folder, self.record.restarts)
            except ImageError as error:
                await self._wait_for_image(error, delays.next())
            except ConfigError as error:
                self._event("Failed", f"Error: {error}", warning=True)
                self._waiting("CreateContainerConfigError", str(error))
                await self._pause(delays.next())
        return None

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of what may take long; None when stopped before."""
        working = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await _first_of(working, stopped)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            stopped.cancel()
            await _first_of(working)

    async def _wait_for_image(self, error: ImageError, delay: float) -> None:
        image = self.record.spec["image"]
        self._event("Failed", f'Failed to pull image "{image}": {error}', warning=True)
        self._waiting(error.reason, str(error))
        if error.reason == "ErrImagePull":
            await self._pause(min(delay, ERR_IMAGE_PULL_SHOWN))
            self._event("BackOff", f'Back-off pulling image "{image}"')
            self._waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')
        await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # running

    async def _once(self, launch: Launch) -> Exit:
        supervisor = self._placed.host.supervisor
        try:
            process = await supervisor.start(launch)
        except OSError as error:
            self._event("Failed", f"Error: {error}", warning=True)
            return Exit(128, reason="StartError", message=f"cannot execute {launch.argv[0]}: {error}")
        self._process = process
        self._health = self._running(launch, process)
        probing = asyncio.create_task(self._health.watch(), name=f"probes {launch.ident}")
        probing.add_done_callback(self._probing_ended)
        try:
            return await asyncio.shield(process.exited)
        finally:
            self._process = self._health = None
            supervisor.signal(process, signal.SIGKILL)  # when cancelled; else it has ended
            probing.cancel()
            await _first_of(probing)

    def _running(self, launch: Launch, process: Process) -> Health:
        record = self.record
        self._event("Created", f"Created container: {record.name}")
        self._event("Started", f"Started container {record.name}")
        record.state = {"running": {"startedAt": now()}}
        record.container_id = f"devcluster://{launch.ident}"
        record.image_id = record.spec["image"]
        record.started = "startupProbe" not in record.spec
        record.ready = record.started and "readinessProbe" not in record.spec
        self._changed()

        async def end(grace: float) -> None:
            if not self._stopping.is_set():
                await self._end(process, grace)

        return Health(self._placed, record, launch, self._changed, self._event, end)

    def _changed(self) -> None:
        if self.record.started:
            self.up.set()
        self._notify()

    def _probing_ended(self, probing: asyncio.Task[None]) -> None:
        error = None if probing.cancelled() else probing.exception()
        if error is not None:
            _log.error("probe.failed", pod=self._placed.key, container=self.record.name, exc_info=error)
            self._event("ProbeError", f"the probes cannot be run: {error!r}", warning=True)

    # ending

    def _wanted_again(self, ended: Exit) -> bool:
        if self._stopping.is_set():
            return False
        policy = self._placed.pod["spec"].get("restartPolicy", "Always")
        if self.record.kind == "sidecar":
            return True
        if self.record.kind == "init":
            return ended.code != 0 and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and ended.code != 0)

    def _terminated(self, ended: Exit, *, final: bool) -> None:
        record = self.record
        reason = ended.reason or ("Error" if ended.code else "Completed")
        began = record.state.get("running", {}).get("startedAt", now())
        state = {"exitCode": ended.code, "reason": reason, "startedAt": began, "finishedAt": now()}
        state |= {"containerID": record.container_id}
        state |= {"signal": ended.signal} if ended.signal else {}
        state |= {"message": ended.message} if ended.message else {}
        if final:
            record.state = {"terminated": state}
        else:
            record.last_state = {"terminated": state}
        record.ready = record.started = False
        self._changed()

    async def _back_off(self, ran_for: float) -> None:
        delay = self._crashes.next(ran_for)
        name, pod = self.record.name, self._placed.pod["metadata"]["name"]
        self._event("BackOff", f"Back-off restarting failed container {name} in pod {pod}", warning=True)
        self._waiting(
            "CrashLoopBackOff", f"back-off {delay:.0f}s restarting failed container={name} pod={pod}"
        )
        await self._pause(delay)
        self.record.restarts += 1

    # telling

    def _waiting(self, reason: str, message: str) -> None:
        self.record.state = {"waiting": {"reason": reason, "message": message}}
        self._changed()

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        events = self._placed.host.events
        part = "containers" if self.record.kind == "main" else "initContainers"
        tell = events.warning if warning else events.normal
        tell(self._placed.pod, reason, message, f"spec.{part}{{{self.record.name}}}")


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    """Return when one is done; their results and errors are the caller's to look at."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
