"""The steps of the story, in order: each does something, shows it, and checks what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import eq

from devcluster.dev.demo import leftovers, traffic
from devcluster.dev.demo.stage import CHAIN, PATIENCE, Reply, Seen, Stage, wait
from devcluster.dev.demo.tell import expect
from provisioner import labels
from provisioner.names import lane_name

FIRST = "payment-fast"  # a branch whose name is a lane's name as it is
TWIN = "payment/fast"  # one that would get the same name if a lane's name were only a slug
SECOND = "new-look"
EVERYWHERE_BASELINE = dict.fromkeys(CHAIN, "")


@dataclass(frozen=True)
class Step:
    letter: str
    title: str
    act: Callable[[Stage], None]


def baseline(stage: Stage) -> None:
    reply = stage.show_ask()
    expect("the services that answered, in call order", tuple(reply.lanes), CHAIN)
    expect("the lane of each", reply.lanes, EVERYWHERE_BASELINE)
    stage.tell.holds("four services answer, none of them in a lane")


def pull_request(stage: Stage) -> None:
    stage.git("switch", "--quiet", "--create", FIRST, "origin/main")
    stage.change("payment", "2-fast")
    stage.git("commit", "--quiet", "--all", "--message", "Pay faster")
    stage.notes["pushed"] = time.monotonic()
    deliveries = stage.push(FIRST)
    opened = [line for line in deliveries if "pull_request opened" in line]
    expect("deliveries that open a pull request", len(opened), 1)
    stage.tell.holds("the forge told of a pull request, signed; the receiver took it at once")


def reasons(stage: Stage) -> None:
    wait("the lane's services are known", lambda: stage.lane(FIRST), lambda seen: seen and seen.services)
    lane = json.loads(stage.kubectl("get", "lane", f"{stage.endpoints['chain']}.{FIRST}", "--output", "json"))
    rows = lane["status"]["services"]
    stage.tell.rows(
        [(one["name"], "in" if one["inLane"] else "out", one["reason"], one["message"]) for one in rows]
    )
    expect("the services in the lane", [one["name"] for one in rows if one["inLane"]], ["payment"])
    expect("services without a reason", [one["name"] for one in rows if not one["message"]], [])
    stage.notes["uid"] = lane["metadata"]["uid"]
    stage.tell.holds("only payment is copied, and each service says why it is in or out")


def ready(stage: Stage) -> None:
    name, patience = f"lane/{stage.endpoints['chain']}.{FIRST}", f"--timeout={PATIENCE:.0f}s"
    stage.kubectl("wait", name, "--for=jsonpath={.status.phase}=Ready", patience)
    expected = EVERYWHERE_BASELINE | {"payment": FIRST}
    wait("the lane answers", partial(traffic.lanes, stage, FIRST), partial(eq, expected))
    seconds = time.monotonic() - stage.notes["pushed"]
    stage.tell.came(stage.kubectl("get", "lanes").splitlines())
    selector = f"--selector={labels.LANE}={FIRST}"
    pods = stage.kubectl("get", "pods", "--namespace", stage.endpoints["namespace"], selector).splitlines()
    stage.tell.came(pods)
    expect("pods in the lane, below the line of titles", len(pods) - 1, 1)
    stage.tell.came(f"from the start of the push to the first right answer: {seconds:.2f} s")
    stage.tell.holds(f"1 pod in the lane, against {len(CHAIN)} services in the chain")


def carriers(stage: Stage) -> None:
    expected = EVERYWHERE_BASELINE | {"payment": FIRST}
    ways: tuple[tuple[str, Callable[[], Reply]], ...] = (
        ("the header", lambda: stage.show_ask({"x-preview-lane": FIRST})),
        ("baggage alone", lambda: stage.show_ask({"baggage": f"preview-lane={FIRST}"})),
        ("the preview host", lambda: stage.show_open(stage.url_of(FIRST))),
    )
    wait(
        "the lane answers", lambda: stage.ask({"x-preview-lane": FIRST}).lanes, lambda seen: seen == expected
    )
    for way, ask in ways:
        reply = ask()
        expect(f"by {way}, the lane of each service", reply.lanes, expected)
        expect(f"by {way}, payment's version", _version(reply, "payment"), "2-fast")
    expect("without any of them, the lane of each", stage.show_ask().lanes, EVERYWHERE_BASELINE)
    stage.tell.holds("into the lane at payment, back to the baseline behind it")


def second_lane(stage: Stage) -> None:
    stage.git("switch", "--quiet", "--create", SECOND, "origin/main")
    stage.change("frontend", "2-look")
    stage.change("logistics", "2-look")
    stage.git("commit", "--quiet", "--all", "--message", "A new look")
    stage.push(SECOND)
    wait("the second lane is ready", lambda: stage.lane(SECOND), _is_ready)
    expected = {
        traffic.PLAIN: EVERYWHERE_BASELINE,
        FIRST: EVERYWHERE_BASELINE | {"payment": FIRST},
        SECOND: EVERYWHERE_BASELINE | {"frontend": SECOND, "logistics": SECOND},
    }
    for lane in expected:
        wait(f"{lane} answers", partial(traffic.lanes, stage, lane), partial(eq, expected[lane]))
    stage.show_ask({"x-preview-lane": SECOND})
    stage.tell.came(f"{traffic.REQUESTS} requests at once to both lanes and to the baseline")
    mixed, seconds = traffic.hammer(stage, expected)
    stage.tell.came(f"{traffic.REQUESTS} answers in {seconds:.2f} s, {len(mixed)} mixed")
    expect("answers that mixed versions", mixed, [])
    stage.tell.holds("no request saw another lane's services")


def update(stage: Stage) -> None:
    stage.git("switch", "--quiet", FIRST)
    stage.change("payment", "3-faster")
    stage.git("commit", "--quiet", "--all", "--message", "Pay even faster")
    stage.push(FIRST)
    ask = {"x-preview-lane": FIRST}
    wait(
        "the new version answers",
        lambda: _version(stage.ask(ask), "payment"),
        lambda seen: seen == "3-faster",
    )
    stage.show_ask(ask)
    lane = stage.lane(FIRST)
    expect("the lane is the same object", lane and lane.uid, stage.notes["uid"])
    stage.tell.holds("the lane was updated in place")


def collision(stage: Stage) -> None:
    name = lane_name(TWIN)
    stage.git("switch", "--quiet", "--create", TWIN, "origin/main")
    stage.change("payment", "2-twin")
    stage.git("commit", "--quiet", "--all", "--message", "Pay faster, another way")
    stage.push(TWIN)
    wait("the lane of the twin is ready", lambda: stage.lane(name), _is_ready)
    ask = {"x-preview-lane": name}
    wait("the twin answers", lambda: _version(stage.ask(ask), "payment"), lambda seen: seen == "2-twin")
    stage.show_ask(ask)
    expect("the first lane's version", _version(stage.ask({"x-preview-lane": FIRST}), "payment"), "3-faster")
    stage.tell.holds(f"{FIRST} and {TWIN} are two lanes: {FIRST} and {name}")


def merge(stage: Stage) -> None:
    stage.git("switch", "--quiet", "main")
    stage.git("merge", "--quiet", "--no-ff", "--message", f"Merge {FIRST}", FIRST)
    deliveries = stage.push("main", f":{SECOND}", f":{TWIN}")
    expect("pull requests closed", sum("pull_request closed" in line for line in deliveries), 3)
    stage.tell.came("looking at every kind of object for a lane's label or a Lane as owner ...")
    left = partial(leftovers.of_lanes, stage.api, stage.endpoints["chain"])
    wait("nothing of a lane is left", left, lambda seen: seen == [])
    stage.tell.came("none")
    reply = stage.show_ask({"x-preview-lane": FIRST})
    expect("the lane of each service", reply.lanes, EVERYWHERE_BASELINE)
    stage.tell.holds("nothing of the lanes is left; the header now gets the baseline at each hop")


STORY = (
    Step("a", "Four services that call each other: what everybody uses, the baseline", baseline),
    Step("b", "A branch that changes only payment is pushed, and its pull request opened", pull_request),
    Step("c", "Only what the branch changed is copied; why each service is in or out", reasons),
    Step("d", "The copy runs beside the baseline: the lane is ready", ready),
    Step("e", "A request that names the lane passes through the copy, others do not", carriers),
    Step("f", "A second branch gets a lane of its own; requests to both never mix", second_lane),
    Step("g", "A push to the first branch updates its lane in place", update),
    Step("g", "A branch whose name looks the same gets a lane of its own", collision),
    Step("h", "One branch is merged, the others are given up: their lanes go away", merge),
)


def _is_ready(seen: Seen | None) -> bool:
    return seen is not None and seen.ready


def _version(reply: Reply, service: str) -> str:
    return next(hop.version for hop in reply.hops if hop.service == service)
