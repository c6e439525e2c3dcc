"""One pod's life on this node: address, init containers in order, containers side by side, the end.

A pod that devcluster finds in its store from an earlier run is started anew: its containers count one
restart more and show that they were lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import Any

import structlog

from devcluster.api import ApiError
from devcluster.controllers.view import Object, key_of, now
from devcluster.kubelet.container import Runner
from devcluster.kubelet.environment import ConfigError
from devcluster.kubelet.host import HOST_IP, Host
from devcluster.kubelet.launch import Placed
from devcluster.kubelet.status import ContainerRecord, Kind, Placement, pod_status
from devcluster.kubelet.volumes import Volumes, materialise

# Seconds between a pod being marked for deletion and its SIGTERM. The mark takes it out of its Services at
# once; this is for those who watch EndpointSlices to stop sending requests, which in a cluster is a race.
ENDPOINTS_FIRST = 0.1
RETRY_STATUS = 1.0  # seconds

_log = structlog.get_logger(__name__)


class PodWorker:
    """Runs one pod until it is deleted."""

    def __init__(self, host: Host, pod: Object) -> None:
        self._host = host
        self._placed = Placed(host, pod, host.addresses.allocate())
        self._place = Placement(self._placed.ip, HOST_IP, (pod.get("status") or {}).get("startTime") or now())
        self._records = _records(pod)
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending = asyncio.Event()
        self._grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        self._write_due = False

    def terminate(self, grace: float) -> None:
        """Begin the end, or hasten it: grace in seconds, 0 kills."""
        hastened = self._ending.is_set() and grace < self._grace
        self._grace = grace
        self._ending.set()
        if hastened:
            for runner in self._runners.values():
                runner.kill()

    async def run(self) -> None:
        """Until the pod is deleted and all that it had is gone."""
        self._changed()
        life = asyncio.create_task(self._live(), name=f"pod {self._placed.key}")
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait([life, ending], return_when=asyncio.FIRST_COMPLETED)
            if life.done():
                life.result()  # a defect must show
            await ending
            await self._shut_down()
            await life
        finally:
            await _cancel(life, ending, *self._tasks.values())
            self._host.addresses.release(self._placed.ip)
        await asyncio.to_thread(shutil.rmtree, self._placed.folder, ignore_errors=True)
        self._host.view.delete("pods", self._placed.pod, grace=0)

    def running_attempt(self, container: str) -> int | None:
        """The number of the attempt that runs now: it may still write to its log."""
        record = next((r for r in self._records if r.name == container), None)
        return record.restarts if record is not None and "running" in record.state else None

    def refresh_volumes(self) -> None:
        """Bring changed ConfigMaps and Secrets to the pod's folders; if one is missing, nothing changes."""
        with contextlib.suppress(ConfigError):
            materialise(Volumes(self._placed.folder / "volumes", self._host.claims, self._placed.sources()))

    # living

    async def _live(self) -> None:
        if await self._initialized():
            main = [self._start(record) for record in self._records if record.kind == "main"]
            await asyncio.gather(*main)
        if not self._ending.is_set():
            await self._stop("sidecar")
        self._changed()

    async def _initialized(self) -> bool:
        """Run init containers and start sidecars, in order; false when one failed or the pod is ending."""
        for record in self._records:
            if record.kind == "main" or self._ending.is_set():
                continue
            task = self._start(record)
            if record.kind == "sidecar":
                up = asyncio.create_task(self._runners[record.name].up.wait())
                await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
            else:
                await task
                if record.exit_code != 0:
                    return False
        return not self._ending.is_set()

    def _start(self, record: ContainerRecord) -> asyncio.Task[None]:
        if record.kind == "main":
            record.state = {"waiting": {"reason": "ContainerCreating"}}
        runner = self._runners[record.name] = Runner(self._placed, record, self._changed)
        name = f"container {self._placed.key}/{record.name}"
        task = self._tasks[record.name] = asyncio.create_task(runner.run(), name=name)
        return task

    # ending

    async def _shut_down(self) -> None:
        if self._grace > 0 and any(record.ready for record in self._records):
            await asyncio.sleep(ENDPOINTS_FIRST)
        await self._stop("main", "init")
        await self._stop("sidecar")

    async def _stop(self, *kinds: Kind) -> None:
        names = [r.name for r in reversed(self._records) if r.kind in kinds and r.name in self._runners]
        await asyncio.gather(*(self._runners[name].stop(self._grace) for name in names))
        await asyncio.gather(*(self._tasks[name] for name in names))

    # telling

    def _changed(self) -> None:
        """Write the status once for all that changes in this turn of the loop."""
        if not self._write_due:
            self._write_due = True
            asyncio.get_running_loop().call_soon(self._write_status)

    def _write_status(self) -> None:
        self._write_due = False
        pod = self._host.view.get("pods", key_of(self._placed.pod))
        if pod is None or pod["metadata"]["uid"] != self._placed.pod["metadata"]["uid"]:
            return
        try:
            self._host.view.write_status("pods", pod, pod_status(pod, self._records, self._place, now()))
        except ApiError as error:
            _log.warning("pod.status.refused", pod=self._placed.key, error=error.message)
            asyncio.get_running_loop().call_later(RETRY_STATUS, self._changed)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # their errors were raised where they were awaited


def _records(pod: Object) -> list[ContainerRecord]:
    """One record a container, in the order of the spec, with what an earlier run of devcluster left."""
    spec, status = pod["spec"], pod.get("status") or {}
    init = [ContainerRecord(c, _kind(c)) for c in spec.get("initContainers") or []]
    main = [ContainerRecord(c, "main") for c in spec["containers"]]
    old = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    by_name = {container["name"]: container for container in old}
    for record in init + main:
        if record.name in by_name:
            _restore(record, by_name[record.name])
    return init + main


def _kind(container: Object) -> Kind:
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


def _restore(record: ContainerRecord, old: Object) -> None:
    record.restarts = old.get("restartCount", 0)
    record.last_state = old.get("lastState") or {}
    state = old.get("state") or {}
    if "running" not in state and not record.last_state and "terminated" not in state:
        return  # it never ran
    record.restarts += 1
    if "running" in state:
        lost = {"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": now()}
        lost |= {"message": "devcluster ended, and the container with it", **state["running"]}
        record.last_state = {"terminated": lost}
