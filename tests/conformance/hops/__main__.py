"""The process of all applications, and of the client beside them. A test steers it by lines of JSON: one to
standard input, one answer on standard output; it ends with its input.

    {"do": "start", "service", "who", "address", "ports"}      {"do": "kill", "service", "who"}
    {"do": "roads_to", "targets": [[service, port, {a Target}], ...]}
    {"do": "walk", "protocol", "service", "port", "headers"}   -> {"hops": [...]}
    {"do": "load", "name", "walks": [a walk, ...]}             each walked again and again
    {"do": "count", "name"} -> {"counts": [[story, times], ...] for each walk}
    {"do": "rest", "name"} -> the same, and the load ends
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

from tests.conformance.hops.application import Application, Instance, Roads
from tests.conformance.hops.calling import Target, call
from tests.conformance.hops.story import Hop, decode, encode

Json = dict[str, Any]

PAUSE = 0.005  # between two walks of a load
EACH = 2  # how many walk each walk of a load


class Load:
    """Walks that are walked until they are told to rest, and how they went."""

    def __init__(self, process: Process, walks: list[Json]) -> None:
        self._process = process
        self._counts: list[Counter[bytes]] = [Counter() for _ in walks]
        self._resting = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._walk(walk, counter))
            for walk, counter in zip(walks, self._counts, strict=True)
            for _ in range(EACH)
        ]

    async def _walk(self, walk: Json, counter: Counter[bytes]) -> None:
        while not self._resting.is_set():
            story = await self._process.walk(walk)
            counter[encode(replace(hop, cookie="") for hop in story)] += 1  # else each is another one
            await asyncio.sleep(PAUSE)

    def counts(self) -> list[list[Any]]:
        return [
            [[[asdict(hop) for hop in decode(story)], times] for story, times in counter.items()]
            for counter in self._counts
        ]

    async def rest(self) -> None:
        self._resting.set()
        await asyncio.gather(*self._tasks)


class Process:
    def __init__(self, services: tuple[str, ...]) -> None:
        self._roads = Roads(services)
        self._running: dict[tuple[str, str], Application] = {}
        self._loads: dict[str, Load] = {}

    async def walk(self, order: Json) -> tuple[Hop, ...]:
        target = self._roads.targets[order["service"], order["port"]]
        return await call(order["protocol"], target, [(key, value) for key, value in order["headers"]])

    async def do(self, order: Json) -> Json:
        handle = getattr(self, f"_{order.pop('do')}")
        found: Json = await handle(order)
        return found

    async def _start(self, order: Json) -> Json:
        made = Application(Instance(**order), self._roads)
        await made.start()
        self._running[order["service"], order["who"]] = made
        return {}

    async def _kill(self, order: Json) -> Json:
        await self._running.pop((order["service"], order["who"])).kill()
        return {}

    async def _roads_to(self, order: Json) -> Json:
        for service, port, target in order["targets"]:
            self._roads.targets[service, port] = Target(**target)
        return {}

    async def _walk(self, order: Json) -> Json:
        return {"hops": [asdict(hop) for hop in await self.walk(order)]}

    async def _load(self, order: Json) -> Json:
        self._loads[order["name"]] = Load(self, order["walks"])
        return {}

    async def _count(self, order: Json) -> Json:
        return {"counts": self._loads[order["name"]].counts()}

    async def _rest(self, order: Json) -> Json:
        load = self._loads.pop(order["name"])
        await load.rest()
        return {"counts": load.counts()}

    async def end(self) -> None:
        for load in self._loads.values():
            await load.rest()
        for one in self._running.values():
            await one.kill()


async def main(services: tuple[str, ...]) -> None:
    process = Process(services)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer
    )
    while line := await lines.readline():
        print(json.dumps(await process.do(json.loads(line))), flush=True)
    await process.end()


asyncio.run(main(tuple(sys.argv[1:])))
