"""The steps from running processes to a chain that answers, each said with the time it took.

Every step may run again on a system that was up before: what is there already stays as it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import yaml

from devcluster.dev import accounts, endpoints, manifests, processes, repository, system
from devcluster.dev.apiclient import Api, Unready, until
from devcluster.dev.ports import HOST
from devcluster.dev.state import State
from devcluster.dev.system import System
from provisioner.chain.model import Chain, Service
from provisioner.settings import Settings

CRDS = Path(__file__).parents[2] / "charts" / "laneway" / "crds"
SOON, LATE = 20.0, 60.0  # seconds that a step may take: a start, and a start that waits for others


Look = Callable[[], Awaitable[bool]]


class Progress:
    """Tells, a JSON object a line, what has been done: `step`, `seconds` since the run began, and at the end
    `end` ("ready" or "failed") with a message."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()

    def say(self, step: str, **more: str) -> None:
        line = {"step": step, "seconds": round(time.monotonic() - self._began, 2), **more}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    @asynccontextmanager
    async def step(self, text: str) -> AsyncIterator[None]:
        yield
        self.say(text)


@dataclass
class Bringup:
    """One run of the steps. `start` starts Laneway's own processes; `open` leads browsers to the entry, which
    is at HOST:PORT."""

    state: State
    made: System
    progress: Progress
    start: Callable[[], None]
    open: Callable[[Chain, str], None]

    async def run(self, api: Api) -> tuple[Chain, str]:
        """All steps; the chain and the URL of its entry.

        Raises Unready, RepositoryError, ConfigError or httpx.HTTPError, whose text says what failed.
        """
        chain = await asyncio.to_thread(self._prepare)
        await self._foundations(api)
        await self._install(api, chain)
        self.start()
        await self._baseline(api, chain)
        await self._processes()
        await self._attach(chain)
        entry = await self._entry(api, chain)
        return chain, entry

    def _prepare(self) -> Chain:
        """The repository and the chain's file."""
        chain = system.chain_file(self.state, self.made)
        bare = system.repository(self.state, chain)
        repository.make(bare, Path(self.made.source))
        repository.set_hook(bare, self.state.root, on=self.made.forge)
        self.progress.say(f"repository of the chain {chain.name} at {bare}")
        return chain

    async def _foundations(self, api: Api) -> None:
        async with self.progress.step("queue (Valkey) and cluster (devcluster) answer"):
            await until("the queue", SOON, lambda: _accepts(self.made.ports["valkey"]))
            await until("the cluster's API", SOON, api.ready)

    async def _install(self, api: Api, chain: Chain) -> None:
        async with self.progress.step("Lane definition installed"):
            for file in sorted(CRDS.glob("*.yaml")):
                for definition in yaml.safe_load_all(file.read_text()):
                    await api.apply(definition)
                    name = definition["metadata"]["name"]
                    await until(f"the definition {name}", SOON, _established(api, name))
            own = Settings.model_fields["namespace"].default
            for namespace in sorted({own, *chain.namespaces}):
                await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        async with self.progress.step("accounts with the rights that the chart grants"):
            await self._grant(api, accounts.of_chains(own, [chain]))

    async def _grant(self, api: Api, installed: accounts.Installation) -> None:
        listed = accounts.rights()
        for one in accounts.roles(listed, installed):
            await api.apply(one)
        for process in ("serve", *listed):
            path = self.state.account(process)
            path.parent.mkdir(exist_ok=True)
            path.write_text(accounts.kubeconfig(self.state.kubeconfig, process, installed.namespace))

    async def _baseline(self, api: Api, chain: Chain) -> None:
        bare = system.repository(self.state, chain)
        head = repository.head(bare, chain.repositories[0].base)
        async with self.progress.step(f"baseline runs at {head[:7]}"):
            objects = manifests.read(Path(self.made.manifests))
            for one in manifests.prepare(objects, chain, str(bare), head):
                await api.apply(one, chain.services[0].namespace)
            for service in chain.services:
                await until(f"{service.workload} in {service.namespace}", LATE, _available(api, service))

    async def _processes(self) -> None:
        async with self.progress.step("serve, worker, beat and router answer"):
            urls = processes.metrics(self.made.ports)
            async with httpx.AsyncClient(timeout=2.0) as client:
                for name, url in urls.items():
                    await until(f"laneway {name} at {url}", LATE, partial(_answers, client, url))

    async def _attach(self, chain: Chain) -> None:
        async with self.progress.step("router attached in front of the chain"):
            await _laneway(self.state, self.made, "attach", chain.name)

    async def _entry(self, api: Api, chain: Chain) -> str:
        name, namespace = endpoints.entry_service(chain), endpoints.entry_namespace(chain)
        service = await api.get(f"/api/v1/namespaces/{namespace}/services/{name}")
        address = f"{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"
        self.open(chain, address)
        entry, preview = f"http://{address}", f"http://{HOST}:{self.made.ports['preview']}"
        async with self.progress.step(f"entry answers at {entry}"), httpx.AsyncClient(timeout=5.0) as client:
            await until(f"the entry {entry}", LATE, partial(_answers, client, entry))
            await until(f"the entry for browsers, {preview}", SOON, partial(_answers, client, preview))
        return entry


async def _laneway(state: State, made: System, *arguments: str) -> None:
    """Runs a `laneway` command on this system, with the rights of attach. Raises Unready with its last words
    when it fails."""
    env = {
        **processes.clean(),
        **processes.settings(state, made.ports, made.secret),
        "LANEWAY_KUBECONFIG": str(state.account("attach")),
    }
    done = await asyncio.create_subprocess_exec(
        str(processes.BIN / "laneway"),
        *arguments,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await done.communicate()
    if done.returncode:
        raise Unready(f"laneway {' '.join(arguments)}: {out.decode(errors='replace').strip()[-2000:]}")


async def _accepts(port: int) -> bool:
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    await writer.wait_closed()
    return True


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    return (await client.get(url)).is_success


def _established(api: Api, name: str) -> Look:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"

    async def look() -> bool:
        conditions = (await api.get(path)).get("status", {}).get("conditions", [])
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    return look


def _available(api: Api, service: Service) -> Look:
    """Whether the workload of a service runs today's version with all replicas."""
    plural = f"{service.workload.kind.lower()}s"
    path = f"/apis/apps/v1/namespaces/{service.namespace}/{plural}/{service.workload.name}"

    async def look() -> bool:
        live = await api.get(path)
        status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
        current = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
        fresh = status.get("updatedReplicas", 0) == wanted == status.get("readyReplicas", 0)
        return bool(current and fresh and status.get("replicas", 0) == wanted)

    return look
