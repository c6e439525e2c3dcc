"""What a release of a whole chain does that weights at each hop do not, and what it costs at the entry.

Requests go web -> orders -> payment -> logistics, with a real Envoy before each; the last three are released.
In one run: how many requests meet two versions by a lane and by weights at each hop (beside what is computed:
1 - w^3 - (1 - w)^3), how far shares are from their weights, how many users go back, and what Envoy pays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from statistics import mean, median

import structlog

from bench.entry import BROWSER, LANE, PLAIN, SESSION, Asked, ratio
from bench.envoy import PATIENCE, Application, Row, answering, one_service, row, static, virtual_host
from bench.envoy import listener as listening
from bench.envoy_load import Load, Target, measure
from provisioner.chain.model import Entry
from provisioner.chain.strategy import Strategy
from provisioner.routing import share
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.many import ask
from tests.support.releasing import BY_COOKIE, NAME, told
from tests.support.routing import Envoy, Json, Router, Store, address, chain, release, wait_until
from tests.support.street import SERVICES, House, following, listener, passages
from tests.support.town import BY_LOT, RELEASED, Town

STEPS = (10, 25, 50, 75, 100)
REQUESTS = 1000  # through the chain, at each step
DECISIONS = 25_000  # at each step
USERS = 1000
ROUNDS = 40
WEIGHT = "x-weight"  # tells the Envoy with weights at each hop which step it is


def run() -> list[Row]:
    """The figures, in about two minutes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        application = stack.enter_context(answering())
        return [*chains(), *shares(stack, pool, application), *costs(stack, pool, application)]


def chains() -> Iterator[Row]:
    """How many requests of each step meet two versions."""
    with ExitStack() as stack:
        town = Town(stack)
        town.build()
        town.show()
        mixed = failed = asked = 0
        for weight in STEPS:
            town.step(weight)
            found = town.ask(REQUESTS)
            asked += len(found)
            mixed += sum(one.mixed for one in found)
            failed += sum(one.status != 200 for one in found)
        yield row(
            f"requests that met two versions, by a release's lane, of {asked:,}", mixed, "", "0", mixed == 0
        )
        yield row("requests that failed meanwhile", failed, "", "0", failed == 0)
    with weights_at_each_hop() as host:
        for weight in STEPS:
            part = weight / 100
            found = passages(host, REQUESTS, {WEIGHT: str(weight)})
            computed = (1 - part ** len(RELEASED) - (1 - part) ** len(RELEASED)) * 100
            seen = sum(one.mixed for one in found) / len(found) * 100
            yield row(f"the same by weights of {weight} % at each hop, computed {computed:.0f} %", seen, "%")


@contextmanager
def weights_at_each_hop() -> Iterator[str]:
    """The same street, where each Envoy decides anew by the weight; the address of its first listener."""
    with ExitStack() as stack:
        town = Town(stack)  # for its loop and the baseline's pods
        host, carried = address(), (WEIGHT,)
        houses = {service: [town.baseline[service]] for service in SERVICES}
        for service in RELEASED:
            houses[service].append(House(town.thread, service, NAME, None))
            stack.callback(houses[service][1].kill)
        for service, after in following():
            for house in houses[service]:
                house.lead((host, listener(after)) if after else None, carried)
        listeners = [_listener(host, service, len(houses[service]) > 1) for service in SERVICES]
        clusters = [_cluster(house) for some in houses.values() for house in some]
        stack.enter_context(static(listeners, clusters))
        wait_until(lambda: _answers(host), 20, "the Envoy with weights at each hop")
        yield host


def _answers(host: str) -> bool:
    try:
        return passages(host, 4, {WEIGHT: "50"})[0].status == 200
    except (OSError, ValueError):
        return False


def _listener(host: str, service: str, released: bool) -> Json:
    routes = [_weighted(service, weight) for weight in STEPS] if released else [_to(f"{service}=v1")]
    found = listening(host, listener(service), {"virtual_hosts": [virtual_host(routes)]})
    return {**found, "name": service}


def _to(cluster: str) -> Json:
    return {"match": {"prefix": "/"}, "route": {"cluster": cluster}}


def _weighted(service: str, weight: int) -> Json:
    parts = {f"{service}=v1": 100 - weight, f"{service}={NAME}": weight}
    clusters = [{"name": name, "weight": part} for name, part in parts.items()]
    step = {"name": WEIGHT, "string_match": {"exact": str(weight)}}
    return {
        "match": {"prefix": "/", "headers": [step]},
        "route": {"weighted_clusters": {"clusters": clusters}},
    }


def _cluster(house: House) -> Json:
    name = f"{house.service}={house.version}"
    where = {"socket_address": {"address": house.address, "port_value": 8080}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


class Entered:
    """An Envoy with one worker at an entry, and the release before it, if there is one."""

    def __init__(self, stack: ExitStack, application: Application, entry: Entry, strategy: Strategy) -> None:
        self._store, self._strategy = Store(), strategy
        self._store.put(*one_service(application, [LANE, NAME]))
        router = Router(self._store, replace(chain(), entry=entry))
        stack.callback(router.stop)
        self.envoy = Envoy(router.port, (FIRST_LISTENER,))
        stack.callback(self.envoy.stop)
        self.envoy.wait_ready()

    def step(self, weight: int) -> None:
        self._store.put(release(NAME, weight, strategy=self._strategy))
        wait_until(lambda: (told(self.envoy) or {}).get("taken") == weight * 100, what=f"the weight {weight}")

    def decisions(self) -> tuple[int, int]:
        """For the release and for the baseline, so far."""
        name = "vhost.payment.route.{}.upstream_rq_completed"
        released, baseline = (self.envoy.stat(name.format(one)) for one in ("release", "baseline"))
        return released, baseline


def shares(stack: ExitStack, pool: ProcessPoolExecutor, application: Application) -> Iterator[Row]:
    """How far shares are from their weights, and what users see of the steps."""
    by_lot = Entered(stack, application, PLAIN, BY_LOT)
    for weight in STEPS:
        by_lot.step(weight)
        taken, count = _decided(pool, by_lot)
        wrong = abs(taken / count * 100 - weight)
        yield row(
            f"share at {weight} % by lot, of {count:,} decisions: off by", wrong, "points", "<= 1", wrong <= 1
        )
    yield from users(Town(stack, strategy=BY_COOKIE))


def users(town: Town) -> Iterator[Row]:
    """What users with a cookie each see of the steps."""
    town.build()
    town.show()
    jar = [{"cookie": f"laneway-bucket={one}"} for one in range(0, share.BUCKETS, share.BUCKETS // USERS)]
    seen = []
    for weight in STEPS:
        town.step(weight)
        seen.append([NAME in one.body.decode() for one in ask(town.envoys[0].address, jar)])
    off = max(abs(sum(one) / USERS * 100 - weight) for one, weight in zip(seen, STEPS, strict=True))
    yield row(f"share of {USERS:,} users by cookie: off by at most", off, "points", "<= 1", off <= 1)
    back = sum(list(one) != sorted(one) for one in zip(*seen, strict=True))
    yield row("users who changed version more than once", back, "", "0", back == 0)


def _decided(pool: ProcessPoolExecutor, entered: Entered) -> tuple[int, int]:
    """How many of at least so many requests the release took, and how many there were."""
    before = entered.decisions()
    target = Target(entered.envoy.address, FIRST_LISTENER)
    while sum(entered.decisions()) - sum(before) < DECISIONS:
        pool.submit(measure, target, Load(0.5, connections=4, depth=16)).result(PATIENCE)
    after = entered.decisions()
    return after[0] - before[0], sum(after) - sum(before)


def costs(stack: ExitStack, pool: ProcessPoolExecutor, application: Application) -> Iterator[Row]:
    """Envoy's processor time for a request without a lane, in interleaved rounds of one run."""
    inner, calm, again, busy = (
        Entered(stack, application, entry, BY_COOKIE) for entry in (Entry(), *[Entry("payment")] * 3)
    )
    busy.step(50)
    first = share.start(NAME)
    sides = {"inside": first, "outside": (first - 1) % share.BUCKETS}
    cookies = {name: f"{BROWSER}cookie: {SESSION}; laneway-bucket={one}\r\n" for name, one in sides.items()}
    plain = f"{BROWSER}cookie: {SESSION}; laneway-bucket=1\r\n"
    asked = {
        "inner": Asked(inner.envoy, "", plain),
        "calm": Asked(calm.envoy, "", plain),
        "again": Asked(again.envoy, "", plain),
        "outside": Asked(busy.envoy, "", cookies["outside"]),
        "inside": Asked(busy.envoy, "", cookies["inside"]),
        "tagged": Asked(calm.envoy, LANE, plain),
    }
    for number in range(ROUNDS):
        order = list(asked.values())
        for one in order[number % len(order) :] + order[: number % len(order)]:
            one.round(pool)
    yield row("Envoy's processor time at an entry without a release", median(asked["calm"].costs), "µs")
    yield row(
        "the same to the same in another Envoy, to see the noise", ratio(asked["again"], asked["calm"]), "x"
    )
    paid = mean(ratio(asked[one], asked["inner"]) for one in ("calm", "again"))  # Envoys differ by themselves
    yield row("an entry without a release to an inner service", paid, "x", "<= 1.05", paid <= 1.05)
    yield row(
        "while a release runs, by cookie, whom it does not take", ratio(asked["outside"], asked["calm"]), "x"
    )
    yield row("while a release runs, by cookie, whom it takes", ratio(asked["inside"], asked["calm"]), "x")
    yield row("beside it: a request with a lane by header", ratio(asked["tagged"], asked["calm"]), "x")
