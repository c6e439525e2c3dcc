"""What is kept for an Envoy that starts without a router."""

from __future__ import annotations

import gzip

import pytest

from provisioner.chain.model import Protocol
from provisioner.chain.strategy import Audience, Strategy
from provisioner.errors import InputError
from provisioner.release.model import Phase
from provisioner.routing.attached import build
from provisioner.routing.intent import ChainIntent, Copy, Endpoint, Port, Share, State
from provisioner.routing.router import snapshot
from tests.support.routing import chain, endpoint_slice, lane, release, twin

ASLEEP = {"phase": "Sleeping", "services": [{"name": "payment", "route": "waker", "ready": False}]}


def intent(*names: str, asleep: tuple[str, ...] = ()) -> ChainIntent:
    slices = [endpoint_slice("payment", ["192.0.2.10", "192.0.2.11"])]
    slices += [endpoint_slice("payment", ["192.0.2.20"], name) for name in names]
    lanes = [*(lane(name) for name in names), *(lane(name, ASLEEP) for name in asleep)]
    return build([chain()], [twin("payment")], slices, lanes).chains[0]


def port(found: ChainIntent) -> Port:
    return found.services[0].ports[0]


def test_it_holds_the_baseline_and_who_sleeps_and_no_pod_of_a_lane():
    kept = port(snapshot.kept(intent("pr-4", asleep=("pr-5",)), "shop"))
    assert kept.baseline == (Endpoint("192.0.2.10", 8080), Endpoint("192.0.2.11", 8080))
    assert kept.copies == (Copy("pr-5", State.ASLEEP),)


def test_of_a_strict_lane_it_holds_that_nobody_else_answers_and_not_where_its_pods_were():
    slices = [endpoint_slice("payment", ["192.0.2.10"]), endpoint_slice("payment", ["192.0.2.20"], "pr-4")]
    strict = lane("pr-4", {"phase": "Ready"}, mode="members")
    found = build([chain()], [twin("payment")], slices, [strict, lane("pr-5", parent="pr-4")]).chains[0]
    (kept,) = port(snapshot.kept(found, "shop")).copies
    assert (kept.lane, kept.state, kept.endpoints) == ("pr-4", State.MISSING, ())
    assert port(snapshot.unpacked(snapshot.packed(snapshot.kept(found, "shop")))).copies == (kept,)


def test_it_holds_the_services_of_its_namespace_alone():
    assert snapshot.kept(intent("pr-4"), "elsewhere").services == ()


def test_it_is_read_as_it_was_written_and_equal_ones_are_equal_bytes():
    kept = snapshot.kept(intent(asleep=("pr-5",)), "shop")
    again = snapshot.unpacked(snapshot.packed(kept))
    assert again == kept
    assert port(again).protocol is Protocol.HTTP
    assert snapshot.packed(again) == snapshot.packed(kept)


WRONG = {"nothing": b"", "text": b"text", "other": gzip.compress(b"{}"), "cut": gzip.compress(b"x")[:-3]}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_snapshot_is_refused(data):
    with pytest.raises(InputError):
        snapshot.unpacked(data)


def test_three_thousand_sleeping_lanes_fit_a_config_map_many_times():
    many = intent(asleep=tuple(f"feature-{number}" for number in range(3000)))
    assert len(snapshot.packed(snapshot.kept(many, "shop"))) < 100_000


def test_the_baseline_is_where_dns_says_at_the_port_that_it_had():
    moved = port(snapshot.moved(intent(), {"payment-baseline": ("192.0.2.31", "192.0.2.30")}))
    assert moved.baseline == (Endpoint("192.0.2.30", 8080), Endpoint("192.0.2.31", 8080))


def test_where_dns_is_silent_the_baseline_is_where_it_was():
    assert snapshot.moved(intent(), {}) == intent()


POD = "payment--v2"  # the Service behind which the release's pods are


def released(phase: Phase = Phase.PROGRESSING, weight: int = 25) -> ChainIntent:
    """A snapshot of a release that runs."""
    own = {"phase": "Ready", "services": [{"name": "payment", "inLane": True}]}
    slices = [
        endpoint_slice("payment", ["192.0.2.10"]),
        endpoint_slice("payment", ["192.0.2.20", "192.0.2.21"], "v2", port=9090),
        endpoint_slice("payment", ["192.0.2.30"], "pr-4"),
    ]
    lanes = [lane(name, own, mode="members") for name in ("v2", "pr-4")]
    strategy = Strategy(audience=Audience("x-group", "staff"))
    running = release("v2", weight, phase=phase, strategy=strategy)
    found = build([chain()], [twin("payment")], slices, lanes, [running]).chains[0]
    return snapshot.unpacked(snapshot.packed(snapshot.kept(found, "shop")))


def share_of(found: ChainIntent) -> Share:
    assert found.share is not None
    return found.share


def test_a_release_keeps_its_share_with_its_pods_where_dns_says() -> None:
    kept = released()
    assert snapshot.names(kept) == [("payment-baseline", "shop"), (POD, "shop")]
    moved = snapshot.moved(kept, {POD: ("192.0.2.41", "192.0.2.40")})
    preview, copy = port(moved).copies
    assert (preview.lane, preview.state, preview.endpoints) == ("pr-4", State.MISSING, ())
    assert (copy.lane, copy.state) == ("v2", State.READY)
    assert copy.endpoints == (Endpoint("192.0.2.40", 9090), Endpoint("192.0.2.41", 9090))
    assert (share_of(moved).weight, share_of(moved).audience.header) == (25, "x-group")


def test_while_nobody_says_where_a_releases_pods_are_nobody_is_in_it() -> None:
    moved = snapshot.moved(released(), {"payment-baseline": ("192.0.2.10",)})
    assert [copy.state for copy in port(moved).copies] == [State.MISSING] * 2
    assert (share_of(moved).weight, share_of(moved).audience) == (0, Audience())


def test_who_is_in_a_release_that_cannot_be_left_stays_in_it() -> None:
    moved = snapshot.moved(released(Phase.FINISHING, 100), {})
    assert share_of(moved).weight == 100


def test_a_release_whose_pods_were_not_known_is_not_guessed_at() -> None:
    gone = snapshot.moved(released(), {})
    again = snapshot.moved(snapshot.kept(gone, "shop"), {})
    assert share_of(again).weight == 0
