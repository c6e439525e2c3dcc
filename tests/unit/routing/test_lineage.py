"""Who answers a lane's request, held against a second account of the same rules, written another way."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from provisioner.names import derived
from provisioner.routing import lineage
from provisioner.routing.attached import build
from provisioner.routing.intent import Copy, State
from tests.support.routing import chain, endpoint_slice, lane, twin

Json = dict[str, Any]

SERVICES = ("frontend", "payment")  # the first is the entry
NAMES = ("a", "b", "c", "d", "e", "f", "g")
CHAIN = chain(SERVICES)


def address(name: str) -> str:
    """The pod of a lane's copy."""
    return f"192.0.2.{10 + NAMES.index(name)}"


services = st.dictionaries(
    st.sampled_from(SERVICES),
    st.fixed_dictionaries(
        {"inLane": st.booleans(), "route": st.sampled_from(["lane", "waker", "none"]), "ready": st.booleans()}
    ),
)
statuses = st.fixed_dictionaries(
    {"phase": st.sampled_from(["Pending", "Deploying", "Ready", "Sleeping", "Terminating"])},
    optional={"services": services},
)
fleets = st.dictionaries(
    st.sampled_from(NAMES),
    st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["loose", "loose", "members", "all"]),
            "parent": st.sampled_from(["", *NAMES]),
            "status": statuses,
            # what there is in the cluster of a copy of each service: nothing, an unready pod, a ready one
            "copies": st.fixed_dictionaries(
                dict.fromkeys(SERVICES, st.sampled_from(["nothing", "unready", "ready"]))
            ),
        }
    ),
    min_size=1,
)


def built(fleet: dict[str, Json]) -> dict[tuple[str, str], Copy]:
    """What the product makes of it: the copy that answers, by lane and service."""
    lanes, slices = [], [endpoint_slice(one, ["192.0.2.1"]) for one in SERVICES]
    for name, one in fleet.items():
        spec = {"mode": one["mode"], **({"parent": one["parent"]} if one["parent"] else {})}
        status = dict(one["status"])
        if "services" in status:
            status["services"] = [{"name": key, **told} for key, told in status["services"].items()]
        lanes.append(lane(name, status, **spec))
        slices += [
            endpoint_slice(service, [address(name)], name, ready=there == "ready")
            for service, there in one["copies"].items()
            if there != "nothing"
        ]
    twins = [twin(service, 10001 + place) for place, service in enumerate(SERVICES)]
    found = build([CHAIN], twins, slices, lanes).chains[0]
    return {(copy.lane, one.name): copy for one in found.services for copy in one.ports[0].copies}


def said(copy: Copy | None) -> str:
    """What becomes of a request, in words."""
    match copy and copy.state:
        case State.READY:
            assert copy is not None
            owner = copy.origin or copy.lane
            assert [one.address for one in copy.endpoints] == [address(owner)]
            return f"pods of {owner}"
        case State.ASLEEP:
            assert copy is not None and not copy.endpoints
            return "waker"
        case State.MISSING:
            return "503"
    return "baseline"


class Oracle:
    """The rules as the documentation tells them, for one request at a time."""

    def __init__(self, fleet: dict[str, Json]) -> None:
        self.fleet = {name: one for name, one in fleet.items() if one["status"]["phase"] != "Terminating"}

    def answer(self, name: str, service: str) -> str:
        if name not in self.fleet:
            return "baseline"
        if mine := self.of_its_own(name, service):
            return mine
        if self.is_strict_at(name, service):
            return "503"
        above, met = self.fleet[name]["parent"], {name}
        while above in self.fleet and above not in met and len(met) <= 4:
            if lent := self.of_its_own(above, service):
                return lent
            met.add(above)
            above = self.fleet[above]["parent"]
        return "baseline"

    def of_its_own(self, name: str, service: str) -> str:
        """What a lane can do about a request without any other; empty for nothing."""
        one = self.fleet[name]
        rests, runs = one["status"]["phase"] == "Sleeping", one["copies"][service] == "ready"
        if self.is_held(one, service) and (rests or not runs):
            return "waker"
        return f"pods of {name}" if runs else ""

    def is_held(self, one: Json, service: str) -> bool:
        told = one["status"].get("services", {})
        held = {key for key, state in told.items() if state["route"] == "waker"}
        whole_lane_waits = one["status"]["phase"] == "Sleeping" or any(not told[key]["ready"] for key in held)
        return service in held or bool(service == SERVICES[0] and held and whole_lane_waits)

    def is_strict_at(self, name: str, service: str) -> bool:
        one = self.fleet[name]
        if one["mode"] != "members":
            return bool(one["mode"] == "all")
        told = one["status"].get("services")
        known = told is None or told.get(service, {}).get("inLane", False)
        return known or one["copies"][service] != "nothing"


@given(fleets)
def test_who_answers_is_what_the_documentation_says(fleet: dict[str, Json]) -> None:
    found, oracle = built(fleet), Oracle(fleet)
    for name in NAMES:
        for service in SERVICES:
            expected = oracle.answer(name, service)
            event(expected.split()[0])
            assert said(found.get((name, service))) == expected


@given(fleets)
def test_a_copy_names_the_service_behind_which_its_pods_are(fleet: dict[str, Json]) -> None:
    for (_, service), copy in built(fleet).items():
        if copy.state is State.READY:
            assert copy.name == derived(service, copy.origin or copy.lane)


@given(fleets)
def test_no_strict_lane_is_ever_answered_by_another_where_it_insists(fleet: dict[str, Json]) -> None:
    found, oracle = built(fleet), Oracle(fleet)
    for name in oracle.fleet:
        for service in SERVICES:
            if oracle.is_strict_at(name, service):
                assert said(found.get((name, service))) in (f"pods of {name}", "waker", "503")


@given(fleets)
def test_a_line_of_ancestors_is_short_has_nobody_twice_and_ends_at_whoever_is_not_open(fleet) -> None:
    objects = [
        lane(name, one["status"] | {"services": []}, parent=one["parent"]) for name, one in fleet.items()
    ]
    routed = lineage.routed_lanes(objects, CHAIN)
    for name in routed:
        line = lineage.ancestors(name, routed)
        assert len(line) <= lineage.ANCESTORS
        assert len({name, *line}) == len(line) + 1
        assert routed.keys() >= set(line)
