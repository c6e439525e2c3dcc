"""One container's life: image, configuration, process, probes, exit, back-off, again.

The runner writes a `ContainerRecord` and calls `changed` whenever that changed; it never ends by itself as
long as the restart policy wants the container, and ends soon after `stop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable

import structlog

from devcluster.controllers.view import Object, now
from devcluster.kubelet import probes
from devcluster.kubelet.backoff import LONGEST_PULL, Backoff
from devcluster.kubelet.environment import ConfigError
from devcluster.kubelet.images import ImageError
from devcluster.kubelet.launch import Placed, image_folder, prepare
from devcluster.kubelet.status import ContainerRecord
from devcluster.kubelet.supervisor import Exit, Launch, Process

_log = structlog.get_logger(__name__)


class Runner:
    """Runs one container of a placed pod until it is not to be started again, or stopped."""

    def __init__(self, placed: Placed, record: ContainerRecord, changed: Callable[[], None]) -> None:
        self.record = record
        self._placed = placed
        self._changed = changed
        self._process: Process | None = None
        self._launch: Launch | None = None
        self._stopping = asyncio.Event()
        self._crashes = Backoff()
        self._probes = 0
        self.up = asyncio.Event()  # set when it first counted as started: for native sidecars

    async def run(self) -> None:
        while not self._stopping.is_set():
            launch = await self._configured()
            if launch is None:
                return
            begun = asyncio.get_running_loop().time()
            ended = await self._once(launch)
            if not self._wanted_again(ended):
                self._terminated(ended, final=True)
                return
            self._terminated(ended, final=False)
            await self._back_off(asyncio.get_running_loop().time() - begun)

    async def stop(self, grace: float) -> None:
        """End it: preStop hook, SIGTERM, and SIGKILL once `grace` seconds are over."""
        self._stopping.set()
        process = self._process
        if process is None or process.exited.done():
            return
        self._event("Killing", f"Stopping container {self.record.name}")
        deadline = asyncio.get_running_loop().time() + grace
        hook = (self.record.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0:
            await self._hook("FailedPreStopHook", {**hook, "timeoutSeconds": grace})
        await self._end(process, deadline - asyncio.get_running_loop().time())

    def kill(self) -> None:
        """End it at once; for a stop whose grace was cut short."""
        if self._process is not None:
            self._placed.host.supervisor.signal(self._process, signal.SIGKILL)

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
                folder = await image_folder(self._placed, self.record.spec, self._event)
                return prepare(self._placed, self.record.spec, folder, self.record.restarts)
            except ImageError as error:
                await self._wait_for_image(error, delays.next())
            except ConfigError as error:
                self._event("Failed", f"Error: {error}", warning=True)
                self._waiting("CreateContainerConfigError", str(error))
                await self._pause(delays.next())
        return None

    async def _wait_for_image(self, error: ImageError, delay: float) -> None:
        image = self.record.spec["image"]
        self._event("Failed", f'Failed to pull image "{image}": {error}', warning=True)
        self._waiting(error.reason, str(error))
        await self._pause(min(delay, 0.5))
        if error.reason == "ErrImagePull":
            self._event("BackOff", f'Back-off pulling image "{image}"')
            self._waiting("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')
        await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # running

    async def _once(self, launch: Launch) -> Exit:
        try:
            process = await self._placed.host.supervisor.start(launch)
        except OSError as error:
            self._event("Failed", f"Error: {error}", warning=True)
            return Exit(128, reason="StartError", message=f"cannot execute {launch.argv[0]}: {error}")
        self._process, self._launch = process, launch
        self._running(launch)
        probing = asyncio.create_task(self._probe(process), name=f"probes {launch.ident}")
        probing.add_done_callback(self._probing_ended)
        try:
            return await asyncio.shield(process.exited)
        finally:
            self._process = None
            probing.cancel()
            await asyncio.wait([probing])

    def _probing_ended(self, probing: asyncio.Task[None]) -> None:
        error = None if probing.cancelled() else probing.exception()
        if error is not None:
            _log.error("probe.failed", pod=self._placed.key, container=self.record.name, exc_info=error)
            self._event("ProbeError", f"the probes cannot be run: {error!r}", warning=True)

    def _running(self, launch: Launch) -> None:
        record = self.record
        self._event("Created", f"Created container: {record.name}")
        self._event("Started", f"Started container {record.name}")
        record.state = {"running": {"startedAt": now()}}
        record.container_id = f"devcluster://{launch.ident}"
        record.image_id = record.spec["image"]
        record.started = "startupProbe" not in record.spec
        record.ready = record.started and "readinessProbe" not in record.spec
        self._note_started()
        self._changed()

    def _note_started(self) -> None:
        if self.record.started:
            self.up.set()

    async def _probe(self, process: Process) -> None:
        spec = self.record.spec
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if hook and not await self._hook("FailedPostStartHook", {**hook, "timeoutSeconds": 3600}):
            await self._end(process, 0)
            return
        if (startup := spec.get("startupProbe")) is not None:
            await self._startup(startup, process)
        async with asyncio.TaskGroup() as group:
            if (readiness := spec.get("readinessProbe")) is not None:
                watching = probes.watch(readiness, self._target(), self._readiness, eager=True)
                group.create_task(watching)
            if (liveness := spec.get("livenessProbe")) is not None:
                group.create_task(self._liveness(liveness, process))

    async def _startup(self, probe: Object, process: Process) -> None:
        failed = await self._first_verdict("Startup", probe, wanted=True, process=process)
        if failed:
            return
        self.record.started = True
        self.record.ready = "readinessProbe" not in self.record.spec
        self._note_started()
        self._changed()

    async def _liveness(self, probe: Object, process: Process) -> None:
        await self._first_verdict("Liveness", probe, wanted=False, process=process)

    async def _first_verdict(self, kind: str, probe: Object, *, wanted: bool, process: Process) -> bool:
        """Wait for a startup probe's success or a failure of either kind, which restarts the container."""
        verdict: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def report(success: bool, failure: str) -> None:
            if not verdict.done() and (not success or wanted):
                verdict.set_result(failure)

        watching = asyncio.create_task(probes.watch(probe, self._target(), report, eager=wanted))
        try:
            failure = await verdict
        finally:
            watching.cancel()
        if failure and not self._stopping.is_set():
            self._event("Unhealthy", f"{kind} probe failed: {failure}", warning=True)
            why = f"Container {self.record.name} failed {kind.lower()} probe, will be restarted"
            self._event("Killing", why)
            grace = probe.get("terminationGracePeriodSeconds", self._grace)
            await self._end(process, grace)
        return bool(failure)

    @property
    def _grace(self) -> float:
        return float(self._placed.pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _readiness(self, success: bool, failure: str) -> None:
        if failure:
            self._event("Unhealthy", f"Readiness probe failed: {failure}", warning=True)
        if success != self.record.ready:
            self.record.ready = success
            self._changed()

    def _target(self) -> probes.Target:
        ports = {p["name"]: p["containerPort"] for p in self.record.spec.get("ports") or [] if "name" in p}
        return probes.Target(self._placed.ip, ports, self._exec)

    async def _hook(self, reason: str, hook: Object) -> bool:
        failure = await probes.attempt(hook, self._target())
        if failure:
            self._event(reason, failure, warning=True)
        return not failure

    async def _exec(self, command: list[str], timeout: float) -> tuple[int, str]:
        """Run a command beside the container's process, with its environment and folder."""
        self._probes += 1
        launch = self._launch
        if launch is None:
            return 126, "the container does not run"
        log = self._placed.folder / f"exec-{self.record.name}-{self._probes}"
        aside = Launch(f"{launch.ident}/exec-{self._probes}", command, launch.env, launch.cwd, log)
        process = await self._placed.host.supervisor.start(aside)
        try:
            ended = await asyncio.shield(process.exited)
            return ended.code, _output(log.read_text(errors="replace"))
        finally:
            self._placed.host.supervisor.signal(process, signal.SIGKILL)
            log.unlink(missing_ok=True)

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


def _output(log: str) -> str:
    """The text of a log file, without its stamps."""
    return "\n".join(line.split(" ", 3)[-1] for line in log.splitlines())[:1024]
