"""The process of all applications, and of the client beside them. A test steers it by lines of JSON: one to
standard input, one answer on standard output; it ends with its input.

    {"do": "start", "service", "who", "address", "ports", "number"}
    {"do": "look", "service", "who", "number"}                 -> {"begun", "busy", "moment"} for one
    {"do": "kill", "service", "who", "number"}                 -> the same, when it was killed
    {"do": "roads_to", "targets": [[service, port, {a Target}], ...]}
    {"do": "walk", "protocol", "service", "port", "headers"}   -> {"hops": [...]}
    {"do": "load", "name", "walks": [a walk, ...]}             each walked again and again
    {"do": "count", "name"} -> {"counts": [[story, times, began, ended], ...] for each walk}
    {"do": "rest", "name"} -> the same, and the load ends

Moments are seconds of the monotonic clock, which all processes of a machine share; `began` and `ended` are of
the last walk that went so.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
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
        self._last: list[dict[bytes, tuple[float, float]]] = [{} for _ in walks]
        self._resting = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._walk(walk, counter, last))
            for walk, counter, last in zip(walks, self._counts, self._last, strict=True)
            for _ in range(EACH)
        ]

    async def _walk(
        self, walk: Json, counter: Counter[bytes], last: dict[bytes, tuple[float, float]]
    ) -> None:
        while not self._resting.is_set():
            began = time.monotonic()
            story = await self._process.walk(walk)
            told = encode(replace(hop, cookie="") for hop in story)  # else each is another one
            counter[told] += 1
            last[told] = max(last.get(told, (0.0, 0.0))[0], began), time.monotonic()
            await asyncio.sleep(PAUSE)

    def counts(self) -> list[list[Any]]:
        return [
            [
                [[asdict(hop) for hop in decode(story)], times, *last[story]]
                for story, times in counter.items()
            ]
            for counter, last in zip(self._counts, self._last, strict=True)
        ]

    async def rest(self) -> None:
        self._resting.set()
        await asyncio.gather(*self._tasks)


class Process:
    def __init__(self, services: tuple[str, ...]) -> None:
        self._roads = Roads(services)
        self._running: dict[tuple[str, str, int], Application] = {}
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
        self._running[_key(order)] = made
        return {}

    async def _look(self, order: Json) -> Json:
        return _state(self._running[_key(order)])

    async def _kill(self, order: Json) -> Json:
        one = self._running.pop(_key(order))
        found = _state(one)
        await one.kill()
        return {**found, "moment": time.monotonic()}  # from which on its connections are closed

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


def _key(order: Json) -> tuple[str, str, int]:
    return order["service"], order["who"], order["number"]


def _state(one: Application) -> Json:
    return {"begun": one.begun, "busy": one.busy, "moment": time.monotonic()}


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
