"""Processor and memory of Laneway's pods, as the kubelets count them: no metrics server is needed.

The rates are over half a minute in which nobody asks for anything, so they are what Laneway costs at rest.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.cluster_release import SYSTEM
from bench.cluster_site import NAMESPACE, Site, processes_of
from tests.support.waiting import until

Json = dict[str, Any]

SECONDS = 30.0
PATIENCE = 120.0
BILLION = 1e9
MEGABYTE = 1e6


@dataclass(frozen=True)
class Usage:
    """One pod: when it was counted (seconds), its processor seconds since its start, and its working set."""

    process: str
    at: float
    cpu: float
    memory: float


def rows(site: Site, lanes: int) -> Iterator[dict[str, Any]]:
    """The sum over the pods of each process; memory also for one pod."""
    before = _usages(site)
    later = until(lambda: _later(site, before), "the kubelets have counted again", PATIENCE)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, after in later.items():
        rate = (after.cpu - before[name].cpu) / (after.at - before[name].at)
        found[after.process].append((rate, after.memory))
    for process, pods in sorted(found.items()):
        cores, memory = sum(rate for rate, _ in pods), [size for _, size in pods]
        what = f"{process} with {lanes} lanes, {len(pods)} pods"
        yield {"figure": f"processor of {what}", "value": round(cores * 1000, 2), "unit": "millicores"}
        yield {"figure": f"memory of {what}, each", "value": round(max(memory), 1), "unit": "MB"}


def _later(site: Site, before: dict[str, Usage]) -> dict[str, Usage]:
    """What was counted long enough after `before`; nothing while a pod has no such count."""
    time.sleep(1)
    now = _usages(site)
    assert set(now) == set(before), "pods came or went while they were measured"
    return now if all(now[name].at - before[name].at >= SECONDS for name in now) else {}


def _usages(site: Site) -> dict[str, Usage]:
    """By pod; only Laneway's own."""
    owned = {
        one["metadata"]["name"]: process
        for namespace in (NAMESPACE, SYSTEM)
        for one in site.context.get("pods", "--namespace", namespace)["items"]
        if (process := processes_of(one))
    }
    counted = {one["podRef"]["name"]: one for node in _nodes(site) for one in _summary(site, node)["pods"]}
    return {name: _usage(process, counted[name]) for name, process in owned.items() if name in counted}


def _usage(process: str, pod: Json) -> Usage:
    counts = pod["containers"]
    return Usage(
        process,
        max(_seconds(one["cpu"]["time"]) for one in counts),
        sum(one["cpu"]["usageCoreNanoSeconds"] for one in counts) / BILLION,
        sum(one["memory"]["workingSetBytes"] for one in counts) / MEGABYTE,
    )


def _nodes(site: Site) -> list[str]:
    return [one["metadata"]["name"] for one in site.context.get("nodes")["items"]]


def _summary(site: Site, node: str) -> Json:
    path = f"/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true"
    found: Json = json.loads(site.context.kubectl("get", "--raw", path))
    return found


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
