"""What it costs a request that a chain's entry checks who may name a lane.

Two real Envoys with one worker each: one at an entry where header, baggage and host count as anywhere, one at
an entry that checks signatures and addresses. Compared in interleaved rounds of one run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import structlog

from bench.envoy import PATIENCE, Application, Row, answering, one_service, row
from bench.envoy_load import Load, Target, measure
from provisioner.chain.model import Entry, Trust, Untrusted
from provisioner.routing import links
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.routing import DOMAIN, Envoy, Router, Store, chain, get, wait_until

ROUNDS = 60
LOAD = Load(0.15, connections=8, depth=16)
KEY = b"0123456789abcdef0123456789abcdef"
LANE = "pr-4"
PLAIN = Entry("payment", f"{{lane}}.{DOMAIN}")
CHECKED = replace(
    PLAIN,
    cookie="preview-lane",
    link="preview",
    trust=Trust.SIGNED,
    untrusted=Untrusted.FORBIDDEN,
    networks=("10.0.0.0/8", "2001:db8::/32"),
    hops=1,
)
# what a browser sends, about, through an ingress controller
BROWSER = (
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "accept-language: en\r\n"
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "x-forwarded-for: 203.0.113.7\r\n"
)
SESSION = "session=0123456789abcdef0123456789abcdef; theme=dark"


class Asked:
    """Envoy's processor time for a request, in microseconds, round by round."""

    def __init__(self, envoy: Envoy, lane: str, headers: str) -> None:
        self._target = Target(envoy.address, FIRST_LISTENER, lane, headers)
        self._threads = Path(f"/proc/{envoy.process.pid}/task")
        self.costs: list[float] = []

    def round(self, pool: ProcessPoolExecutor) -> None:
        before = self._busy()
        found = pool.submit(measure, self._target, LOAD).result(PATIENCE)
        self.costs.append((self._busy() - before) / found.answers / 1e3)

    def _busy(self) -> int:
        """Nanoseconds, which the clock of processes does not count finely enough for a short round."""
        return sum(int((one / "schedstat").read_text().split()[0]) for one in self._threads.iterdir())


def run() -> list[Row]:
    """The figures, in about a minute."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        application = stack.enter_context(answering())
        plain, again, checked = (opened(stack, application, entry) for entry in (PLAIN, PLAIN, CHECKED))
        untagged = f"{BROWSER}cookie: {SESSION}\r\n"
        tagged = f"{BROWSER}cookie: {SESSION}; {CHECKED.ticket}={token()}\r\n"
        asked = {
            "plain": Asked(plain, "", untagged),
            "again": Asked(again, "", untagged),
            "checked": Asked(checked, "", untagged),
            "header": Asked(plain, LANE, untagged),
            "link": Asked(checked, "", tagged),
        }
        for number in range(ROUNDS):
            order = list(asked.values())
            for one in order[number % 5 :] + order[: number % 5]:
                one.round(pool)
        return [*compared(asked)]


def token() -> str:
    (key,) = links.of_chain([KEY], "shop")
    return links.sign(key, "shop", LANE, datetime.now(UTC) + timedelta(hours=1))


def opened(stack: ExitStack, application: Application, entry: Entry) -> Envoy:
    """An Envoy at the entry, ready, with one lane behind it."""
    store = Store()
    store.put(*one_service(application, [LANE]))
    router = Router(store, replace(chain(), entry=entry))
    stack.callback(router.stop)
    router.files.link_keys = (KEY,)
    envoy = Envoy(router.port, (FIRST_LISTENER,))
    stack.callback(envoy.stop)
    envoy.wait_ready()
    sent = {"x-preview-lane": LANE, "cookie": f"{CHECKED.ticket}={token()}"}
    wait_until(
        lambda: get(envoy.address, headers=sent)[1].get("x-preview-lane-served") == f"payment={LANE}",
        20,
        "the lane's answer",
    )
    return envoy


def compared(asked: dict[str, Asked]) -> Iterator[Row]:
    """Ratios are medians over rounds that follow one another: what else the machine does meets both alike."""
    yield row("Envoy's processor time without a lane, nothing checked", median(asked["plain"].costs), "µs")
    noise = ratio(asked["again"], asked["plain"])
    yield row("the same to the same in another Envoy, to see the noise", noise, "x")
    paid = ratio(asked["checked"], asked["plain"])
    yield row("without a lane, all checked to nothing checked", paid, "x", "<= 1.05", paid <= 1.05)
    yield row("with a lane by header to without one", ratio(asked["header"], asked["plain"]), "x")
    yield row("with a lane by the cookie of a link to by header", ratio(asked["link"], asked["header"]), "x")


def ratio(one: Asked, other: Asked) -> float:
    return median(a / b for a, b in zip(one.costs, other.costs, strict=True))
