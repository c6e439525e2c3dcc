"""Envoy with 3,000 lanes: what a request costs, how fast a change arrives, and who waits for it.

Real Envoys with one worker each, configured by the real discovery server; the application behind them is an
Envoy too, that answers by itself. Figures that are compared come from interleaved rounds of one run.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import structlog

from bench.envoy_load import Load, Measured, Target, first_answer, measure
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import launch
from tests.support.routing import (
    Envoy,
    Json,
    Router,
    Store,
    address,
    chain,
    endpoint_slice,
    get,
    lane,
    twin,
    wait_until,
)

LANES = 3000
SERVICES = 30
ROUNDS = 14
FULL = Load(0.5, connections=8, depth=16)
CALM = Load(0.5, connections=2, rest=0.001)
CHANGES = 30
PATIENCE = 30.0  # seconds for any one measurement
APPLICATION_PORT = 8080
NOWHERE = "127.250"  # where the pods of lanes are that nobody asks for

TYPE = "type.googleapis.com/"

Row = dict[str, Any]


@dataclass(frozen=True)
class Application:
    """Where the baseline's pod and that of the last lane's copy listen."""

    baseline: str
    copy: str


def run() -> list[Row]:
    """The figures, in about a minute and a half."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
        application = stack.enter_context(answering())
        return [*requests(stack, pool, application), *changes(stack, pool, application)]


def names(count: int) -> list[str]:
    return [f"pr-{number}" for number in range(1, count + 1)]


def requests(stack: ExitStack, pool: ProcessPoolExecutor, application: Application) -> Iterator[Row]:
    """What a request costs with 1 lane and with 3,000, and with one route for each lane."""
    last = names(LANES)[-1]
    few = started(stack, one_service(application, [last]), max_lanes=LANES)
    many = started(stack, one_service(application, names(LANES)), max_lanes=LANES)
    routed = stack.enter_context(one_route_per_lane(application))
    ours = [
        Measurement(few.address, few.process.pid, last),
        Measurement(many.address, many.process.pid, last),
    ]
    theirs = Measurement(*routed, last)
    for number in range(ROUNDS):
        order = [*ours, theirs]
        for one in order[number % 3 :] + order[: number % 3]:
            one.round(pool)
    yield from compared(ours[0], ours[1], theirs)


class Measurement:
    """What rounds of load found at one Envoy."""

    def __init__(self, host: str, pid: int, name: str) -> None:
        self._target = Target(host, FIRST_LISTENER, name)
        self._process = psutil.Process(pid)
        self.rates: list[float] = []
        self.costs: list[float] = []  # Envoy's own processor time for a request, microseconds
        self.p99s: list[float] = []  # milliseconds

    def round(self, pool: ProcessPoolExecutor) -> None:
        before = self._busy()
        found = pool.submit(measure, self._target, FULL).result(PATIENCE)
        self.rates.append(found.rate)
        self.costs.append((self._busy() - before) / found.answers * 1e6)
        self.p99s.append(pool.submit(measure, self._target, CALM).result(PATIENCE).quantile(0.99) * 1e3)

    def _busy(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def compared(few: Measurement, many: Measurement, routed: Measurement) -> Iterator[Row]:
    """Of each, the better quarter of its rounds: what else the machine does only ever makes a round worse."""
    yield row("requests/s with 1 lane", best(few.rates), "requests/s")
    yield row("requests/s with 3,000 lanes", best(many.rates), "requests/s")
    yield row("requests/s with one route for each of 3,000 lanes", best(routed.rates), "requests/s")
    throughput = best(many.rates) / best(few.rates)
    yield row("throughput with 3,000 lanes to that with 1", throughput, "x", ">= 0.95", throughput >= 0.95)
    cost = least(many.costs) / least(few.costs)
    yield row("Envoy's processor time for a request, 3,000 lanes to 1", cost, "x")
    p99 = least(many.p99s) / least(few.p99s)
    yield row("p99 with 3,000 lanes to that with 1", p99, "x", "<= 1.10", p99 <= 1.10)
    yield row(
        "throughput with one route for each lane to that with 1 lane",
        best(routed.rates) / best(few.rates),
        "x",
    )


def best(rounds: Sequence[float]) -> float:
    return statistics.quantiles(rounds, n=4)[2]


def least(rounds: Sequence[float]) -> float:
    return statistics.quantiles(rounds, n=4)[0]


def changes(stack: ExitStack, pool: ProcessPoolExecutor, application: Application) -> Iterator[Row]:
    """How fast a change of one lane arrives among 3,000, and how long a request without a lane may wait."""
    cases: dict[str, Callable[[], tuple[list[str], list[Json]]]] = {
        "all of one service": lambda: (["payment"], one_service(application, names(LANES))),
        f"two of {SERVICES} services each": lambda: many_services(application),
    }
    for case, objects in cases.items():
        with ExitStack() as inner:
            yield from changed(inner, pool, application, case, *objects())


def changed(
    stack: ExitStack,
    pool: ProcessPoolExecutor,
    application: Application,
    case: str,
    services: list[str],
    objects: list[Json],
) -> Iterator[Row]:
    store = Store()
    store.put(*objects)
    envoy = started(stack, objects, services, max_lanes=LANES, store=store)
    target = Target(envoy.address, FIRST_LISTENER)
    # two at once, so that both processes of the pool are there before anything is timed
    quiet = list(pool.map(measure, [target] * 2, [Load(2.0, rest=0.002)] * 2, timeout=PATIENCE))
    still = max(one.waits[-1] for one in quiet)
    watching = pool.submit(measure, target, Load(6.0, rest=0.002))
    waits = sorted(change(pool, store, envoy.address, services[0], application) for _ in range(CHANGES))
    during: Measured = watching.result(PATIENCE)
    p95 = waits[int(0.95 * len(waits))] * 1e3
    yield row(f"a change of a lane arrives, {case}: p95 of {CHANGES}", p95, "ms", "< 100", p95 < 100)
    yield row(f"longest wait without a lane, nothing changing, {case}", still * 1e3, "ms")
    longest = during.waits[-1] * 1e3
    yield row(f"longest wait without a lane during the changes, {case}", longest, "ms", "< 50", longest < 50)


def change(
    pool: ProcessPoolExecutor, store: Store, host: str, service: str, application: Application
) -> float:
    """One lane loses its copy and gets it back: the longer of both, in seconds from the cluster's word to the
    first answer."""
    name = names(LANES)[-1]
    target = Target(host, FIRST_LISTENER, name)
    copied = endpoint_slice(service, [application.copy], name)

    def seconds(act: Callable[[Json], None], who: str) -> float:
        asking = pool.submit(first_answer, target, f"{service}={who}".encode(), PATIENCE)
        wait_until(asking.running)
        start = time.monotonic()
        act(copied)
        return asking.result(PATIENCE) - start

    return max(seconds(store.delete, "baseline"), seconds(store.put, name))


def row(figure: str, value: float, unit: str, target: str = "", ok: bool | None = None) -> Row:
    return {"figure": figure, "value": value, "unit": unit, "target": target, "ok": ok}


def one_service(application: Application, lanes: Sequence[str], service: str = "payment") -> list[Json]:
    """A service, its baseline, and a ready copy of it in each lane; the last one's is the application."""
    return [
        twin(service),
        endpoint_slice(service, [application.baseline]),
        *(copied for number, name in enumerate(lanes) for copied in (lane(name), pod(service, name, number))),
        endpoint_slice(service, [application.copy], lanes[-1]),
    ]


def pod(service: str, name: str, number: int) -> Json:
    return endpoint_slice(service, [f"{NOWHERE}.{number // 250}.{number % 250 + 1}"], name)


def many_services(application: Application) -> tuple[list[str], list[Json]]:
    """3,000 lanes, each with two of 30 services; the last lane has the first."""
    services = ["payment", *(f"service-{number}" for number in range(1, SERVICES))]
    objects = [twin(one, FIRST_LISTENER + place) for place, one in enumerate(services)]
    objects += [endpoint_slice(one, [application.baseline]) for one in services]
    for number, name in enumerate(names(LANES), start=1):
        pair = services[number % SERVICES], services[(number + 7) % SERVICES]
        objects += [lane(name), *(pod(one, name, number) for one in pair)]
    return services, [*objects, endpoint_slice("payment", [application.copy], names(LANES)[-1])]


def started(
    stack: ExitStack,
    objects: Sequence[Json],
    services: Sequence[str] = ("payment",),
    *,
    max_lanes: int,
    store: Store | None = None,
) -> Envoy:
    """An Envoy that routes these objects, ready, with the last lane served by its copy."""
    if store is None:
        store = Store()
        store.put(*objects)
    router = Router(store, chain(services, max_lanes=max_lanes))
    stack.callback(router.stop)
    envoy = Envoy(router.port, range(FIRST_LISTENER, FIRST_LISTENER + len(services)))
    stack.callback(envoy.stop)
    envoy.wait_ready()
    last, copied = names(LANES)[-1], f"{services[0]}={names(LANES)[-1]}"
    wait_until(lambda: served(envoy.address, last) == copied, 20, "the last lane's answer")
    return envoy


def served(host: str, name: str) -> str:
    return get(host, headers={"x-preview-lane": name})[1].get("x-preview-lane-served", "")


@contextmanager
def answering() -> Iterator[Application]:
    """An application that is never the slowest part: an Envoy that answers by itself."""
    hosts = Application(address(), address())
    answer = {"status": 200, "body": {"inline_string": "ok"}}
    table = {"virtual_hosts": [virtual_host([{"match": {"prefix": "/"}, "direct_response": answer}])]}
    with static([listener(one, APPLICATION_PORT, table) for one in (hosts.baseline, hosts.copy)], []):
        wait_until(lambda: open_port(hosts.copy, APPLICATION_PORT), 20, "the application")
        yield hosts


@contextmanager
def one_route_per_lane(application: Application) -> Iterator[tuple[str, int]]:
    """What routing by one header route for each lane costs; address and process id."""
    host = address()
    routes = [
        {
            "match": {
                "prefix": "/",
                "headers": [{"name": "x-preview-lane", "string_match": {"exact": name}}],
            },
            "route": {"cluster": "application", "timeout": "0s"},
        }
        for name in names(LANES)
    ]
    table = {"virtual_hosts": [virtual_host(routes)]}
    with static([listener(host, FIRST_LISTENER, table)], [cluster(application.copy)]) as pid:
        wait_until(lambda: open_port(host, FIRST_LISTENER), 20, "the Envoy with one route per lane")
        yield host, pid


def open_port(host: str, port: int) -> bool:
    try:
        return bool(get(host, port)[0])
    except OSError:
        return False


def virtual_host(routes: list[Json]) -> Json:
    return {"name": "all", "domains": ["*"], "routes": routes}


def listener(host: str, port: int, table: Json) -> Json:
    network, http = "envoy.extensions.filters.network", "envoy.extensions.filters.http"
    # without its own headers every answer has the same length
    router = {"@type": f"{TYPE}{http}.router.v3.Router", "suppress_envoy_headers": True}
    manager = {
        "@type": f"{TYPE}{network}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": table,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {
        "name": host,
        "address": {"socket_address": {"address": host, "port_value": port}},
        "filter_chains": [{"filters": filters}],
    }


def cluster(host: str) -> Json:
    where = {"socket_address": {"address": host, "port_value": APPLICATION_PORT}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    return {
        "name": "application",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "application", "endpoints": endpoints},
    }


@contextmanager
def static(listeners: list[Json], clusters: list[Json]) -> Iterator[int]:
    """An Envoy with one worker and a fixed configuration; gives its process id."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "envoy.json"
        file.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}))
        command = [
            launch.binary({}),
            "-c",
            str(file),
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "-l",
            "error",
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(10)
