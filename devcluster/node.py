"""The node side of devcluster: controllers, scheduler, kubelet, service proxy, all beside the API server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from devcluster.api import Api
from devcluster.controllers import events
from devcluster.controllers.claims import Claims
from devcluster.controllers.daemonset import DaemonSets
from devcluster.controllers.deployment import Deployments
from devcluster.controllers.endpointslice import EndpointSlices
from devcluster.controllers.events import Recorder
from devcluster.controllers.job import Jobs
from devcluster.controllers.replicaset import ReplicaSets
from devcluster.controllers.scheduler import Scheduler
from devcluster.controllers.statefulset import StatefulSets
from devcluster.controllers.view import View
from devcluster.controllers.workqueue import Controller
from devcluster.kubelet.addresses import claim_range
from devcluster.kubelet.agent import Agent
from devcluster.kubelet.host import NODE_NAME, Host
from devcluster.kubelet.images import ImageStore
from devcluster.kubelet.services import ServiceProxy
from devcluster.kubelet.supervisor import supervise

CONTROLLERS: tuple[Callable[[View], Controller], ...] = (
    Deployments,
    ReplicaSets,
    StatefulSets,
    DaemonSets,
    Jobs,
    Claims,
    EndpointSlices,
)

_agents: list[Agent] = []  # of the running nodes, for `processes`


def processes() -> dict[str, list[int]]:
    """The first process of every running container, by "namespace/pod"; of all nodes run by this process."""
    return {key: pids for agent in _agents for key, pids in agent.processes().items()}


@contextlib.asynccontextmanager
async def run(api: Api, *, state: Path, path_prepend: str | None = None) -> AsyncIterator[None]:
    """Run controllers and kubelet on this loop while the context lasts; at its end no pod process is left.

    :param state: folder for logs, checkouts and volumes, in `node/`; what it holds survives a restart
    :param path_prepend: folders, joined as in PATH, that containers look for programs in first
    :raises AddressesExhausted: every range of pod addresses is claimed by another devcluster
    """
    folder = state.resolve() / "node"
    folder.mkdir(parents=True, exist_ok=True)
    view = View(api)
    addresses = claim_range(str(folder))
    held = [addresses.claim.fileno()]
    with addresses.claim, contextlib.closing(view):
        async with supervise(str(folder), held) as supervisor, asyncio.TaskGroup() as tasks:
            images = ImageStore(folder / "images")
            path = _path(path_prepend)
            recorder = Recorder(view, "kubelet")
            agent = Agent(Host(view, recorder, supervisor, images, addresses, folder, path), tasks)
            background = _start(view, agent, tasks)
            api.log_source, api.processes_source = agent.logs, agent.processes
            _agents.append(agent)
            try:
                yield
            finally:
                _agents.remove(agent)
                agent.stop()
                for task in background:
                    task.cancel()


def _start(view: View, agent: Agent, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """Start what follows the API; the tasks that must be cancelled at the end."""
    proxy = ServiceProxy(view)
    controllers: list[Controller] = [Scheduler(view, NODE_NAME), proxy]
    controllers += [kind(view) for kind in CONTROLLERS]
    for controller in controllers:
        controller.start()
    agent.start()
    work = [controller.queue.run() for controller in controllers]
    others = [events.sweep(view), proxy.keep_process(), agent.remove_spare_images()]
    return [tasks.create_task(each) for each in [*work, *others]]


def _path(prepend: str | None) -> str:
    """PATH for containers: programs of the environment that runs devcluster are found first."""
    own = str(Path(sys.executable).parent)
    return os.pathsep.join(part for part in (prepend, own, os.environ.get("PATH", "")) if part)
