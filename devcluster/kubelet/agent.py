"""The node agent: follows the pods bound to this node and runs a worker for each."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import structlog

from devcluster.api import ApiError
from devcluster.controllers.view import Object, deleting, key_of
from devcluster.kubelet import logs as container_logs
from devcluster.kubelet.host import NODE_NAME, Host
from devcluster.kubelet.pod import PodWorker

RETRY = 5.0  # seconds after which a pod is tried again whose worker had a defect
REMOVE_IMAGES_EVERY = 60.0  # seconds

_log = structlog.get_logger(__name__)


class Agent:
    """Runs this node's pods. Use inside a TaskGroup, which gets one task for each pod."""

    def __init__(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        self._host = host
        self._tasks = tasks
        self._workers: dict[str, PodWorker] = {}
        self._keys: dict[str, str] = {}  # pod uid -> "namespace/name"
        self._running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._remove_forgotten()
        self._host.view.on("pods", self._pod_changed)
        self._host.view.on("configmaps", self._config_changed)
        self._host.view.on("secrets", self._config_changed)

    def stop(self) -> None:
        """Leave the pods to their fate: they stay in the store, and the supervisor kills their processes."""
        for task in self._running:
            task.cancel()

    def processes(self) -> dict[str, list[int]]:
        """The first process of each running container, by "namespace/pod"."""
        found: dict[str, list[int]] = {key: [] for key in self._keys.values()}
        for ident, pid in self._host.supervisor.pids().items():
            uid, _, attempt = ident.split("/", 2)
            if uid in self._keys and attempt.isdigit():  # probes and hooks are no containers
                found[self._keys[uid]].append(pid)
        return {key: pids for key, pids in found.items() if pids}

    async def logs(self, pod: Object, container: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        """What `pods/log` answers.

        :raises ApiError: 400 when the container has no such log, or the query is wrong
        """
        container = _chosen(pod, container)
        path, options = self._log_file(pod, container, query)

        def running() -> bool:
            worker = self._workers.get(pod["metadata"]["uid"])
            return worker is not None and worker.running_attempt(container) == container_logs.attempt_of(path)

        async for chunk in container_logs.read(path, options, running):
            yield chunk

    def _log_file(
        self, pod: Object, container: str, query: dict[str, str]
    ) -> tuple[Path, container_logs.LogOptions]:
        try:
            options = container_logs.LogOptions.of(query, datetime.now(UTC))
        except ValueError as error:
            raise ApiError(400, "BadRequest", f"log options: {error}") from error
        attempts = container_logs.attempts(self._host.pod_folder(pod) / "logs" / container)
        wanted = 2 if options.previous else 1
        if len(attempts) < wanted:
            what = "previous terminated container" if options.previous else "container"
            where = f'in pod "{pod["metadata"]["name"]}"'
            raise ApiError(400, "BadRequest", f'{what} "{container}" {where} has no log: it has not started')
        return attempts[-wanted], options

    def _remove_forgotten(self) -> None:
        """Remove the folders of pods and claims that were deleted while devcluster was not running."""
        known = {obj["metadata"]["uid"] for kind in _FOLDERS.values() for obj in self._host.view.all(kind)}
        for name in _FOLDERS:
            folder = self._host.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            for entry in folder.iterdir():
                if entry.name not in known:
                    shutil.rmtree(entry)

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        pod = after or before or {}
        if pod["spec"].get("nodeName") != NODE_NAME:
            return
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if after is None:
            if worker is not None:
                worker.terminate(0)
        elif deleting(after):
            self._end(after, worker)
        elif worker is None and not finished(after):
            self._begin(after)

    def _begin(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers[uid] = PodWorker(self._host, pod)
        self._keys[uid] = "/".join(key_of(pod))
        task = self._tasks.create_task(self._work(worker, pod), name=f"pod {self._keys[uid]}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _end(self, pod: Object, worker: PodWorker | None) -> None:
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 0)
        if worker is not None:
            worker.terminate(grace)
        elif grace > 0:  # nothing of it runs here; not now, since another's write is in progress
            asyncio.get_running_loop().call_soon(lambda: self._host.view.delete("pods", pod, grace=0))

    async def _work(self, worker: PodWorker, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        try:
            await worker.run()
        except Exception as error:  # noqa: BLE001 - one odd pod must not stop the others
            _log.error("pod.failed", pod=self._keys[uid], error=str(error), exc_info=error)
            self._host.events.warning(pod, "FailedSync", f"devcluster could not run the pod: {error!r}")
            asyncio.get_running_loop().call_later(RETRY, self._try_again, pod)
        finally:
            del self._workers[uid], self._keys[uid]

    async def remove_spare_images(self) -> None:
        """Remove checkouts that no pod uses, now and then, for ever."""
        while True:
            specs = [pod["spec"] for pod in self._host.view.all("pods")]
            containers = [c for s in specs for c in (*s["containers"], *(s.get("initContainers") or []))]
            for folder in self._host.images.spare(c["image"] for c in containers):
                gone = folder.rename(folder.with_suffix(".removed"))  # at once, so that no new pod takes it
                await asyncio.to_thread(shutil.rmtree, gone)
            await asyncio.sleep(REMOVE_IMAGES_EVERY)

    def _try_again(self, pod: Object) -> None:
        current = self._host.view.get("pods", key_of(pod))
        if current is not None:
            self._pod_changed(None, current)

    def _config_changed(self, before: Object | None, after: Object | None) -> None:
        if before is None or after is None:
            return
        namespace = after["metadata"]["namespace"]
        for uid, key in self._keys.items():
            if key.startswith(f"{namespace}/"):
                asyncio.get_running_loop().call_soon(self._workers[uid].refresh_volumes)


_FOLDERS = {"pods": "pods", "claims": "persistentvolumeclaims"}  # folder -> what its entries are named after


def _chosen(pod: Object, container: str) -> str:
    """The container whose log is meant: the only one, where none is named."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    main = [c["name"] for c in spec["containers"]]
    if not container and len(main) == 1:
        return str(main[0])
    if not container:
        message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(main)}]"
        raise ApiError(400, "BadRequest", message)
    if container not in [*main, *(c["name"] for c in spec.get("initContainers") or [])]:
        raise ApiError(400, "BadRequest", f"container {container} is not valid for pod {name}")
    return container


def finished(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
