"""Which untagged requests a release takes: as many as its weight says, never fewer users than before."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Entry, Protocol
from provisioner.chain.strategy import Audience, Sticky, Strategy
from provisioner.lane.model import Mode
from provisioner.release.model import Change, Phase, Release
from provisioner.routing import share
from provisioner.routing.intent import Copy, Endpoint, Port, Service, Share, State

names = st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True)
VIP = Audience("x-vip", "yes")


def of(weight: int, release: str = "v2") -> Share:
    return Share(release, release, weight)


@pytest.mark.parametrize(
    ("text", "value"),
    # as published with the function: https://en.wikipedia.org/wiki/Jenkins_hash_function
    [("", 0), ("a", 0xCA2E9442), ("The quick brown fox jumps over the lazy dog", 0x519E91F5)],
)
def test_the_hash_is_the_one_that_everybody_knows(text: str, value: int) -> None:
    assert share.oaat(text) == value


@settings(max_examples=20)
@given(names, st.integers(0, 100))
def test_a_weight_is_exactly_so_many_of_all_buckets(release: str, weight: int) -> None:
    taken = sum(share.contains(of(weight, release), bucket) for bucket in range(share.BUCKETS))
    assert taken == weight * 100


@given(names, st.integers(0, 9999), st.integers(0, 100), st.integers(0, 100))
def test_raising_the_weight_moves_nobody_back(release: str, bucket: int, one: int, other: int) -> None:
    lower, higher = sorted((one, other))
    assert share.contains(of(higher, release), bucket) or not share.contains(of(lower, release), bucket)


def test_releases_begin_with_different_users() -> None:
    starts = {share.start(f"release-{number}") for number in range(200)}
    assert len(starts) > 190
    assert all(
        share.contains(of(1, f"release-{number}"), share.start(f"release-{number}")) for number in range(9)
    )


def test_users_are_spread_evenly_over_the_buckets() -> None:
    tenths = [0] * 10
    for number in range(20_000):
        tenths[share.bucket_of(f"user-{number}") * 10 // share.BUCKETS] += 1
    assert all(1800 < one < 2200 for one in tenths), tenths


@given(st.integers(0, 9999))
def test_the_cookie_names_the_bucket_that_it_was_set_for(bucket: int) -> None:
    value = share.set_cookie(of(10), bucket, Entry()).partition(";")[0].partition("=")[2]
    assert share.bucket_in(value) == bucket


@pytest.mark.parametrize("value", ["", "-1", "10000", "007", "1e3", "12 ", " 12", "12;", "0x1", "٣", "12\n"])
def test_what_we_never_set_names_no_bucket(value: str) -> None:
    assert share.bucket_in(value) is None


def test_the_cookie_is_kept_for_a_year_and_from_scripts() -> None:
    plain, secure = Entry("web", url="http://shop.example.com"), Entry("web", url="https://shop.example.com")
    expected = "laneway-bucket=42; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
    assert share.set_cookie(of(10), 42, plain) == expected
    assert share.set_cookie(of(10), 42, secure) == f"{expected}; Secure"


def copy(state: State, lane: str = "v2") -> Copy:
    pods = (Endpoint("192.0.2.20", 8080),) if state is State.READY else ()
    return Copy(lane, state, pods, Mode.MEMBERS)


def service(name: str, *states: State, tcp: bool = False) -> Service:
    """With an HTTP port for each state of its copy in the release's lane, among those of other lanes."""
    ports = [
        Port(f"http-{place}", 8080 + place, 10001 + place, Protocol.HTTP, (), _among(copy(state)))
        for place, state in enumerate(states)
    ]
    if tcp:
        ports.append(Port("tcp", 5432, 10009, Protocol.TCP))
    return Service(name, "shop", tuple(ports))


def _among(own: Copy) -> tuple[Copy, ...]:
    return (copy(State.READY, "pr-1"), own, copy(State.MISSING, "w1"))


def release(
    phase: Phase = Phase.PROGRESSING, weight: int = 25, name: str = "v2", **fields: object
) -> Release:
    strategy = Strategy(sticky=Sticky(header="x-user"), audience=VIP)
    changes = (Change("orders", "orders:2"), Change("payment", "payment:2"))
    status = {"phase": phase.value, "weight": weight}
    return Release("shop", name, changes, strategy, status=status, **fields)  # type: ignore[arg-type]


READY = (service("orders", State.READY), service("payment", State.READY, State.READY, tcp=True))


def test_a_release_with_all_its_copies_takes_what_its_status_says() -> None:
    found = share.of_release(release(), READY)
    assert found == Share("v2", "v2", 25, Sticky(header="x-user"), VIP)


@pytest.mark.parametrize(
    "services",
    [
        (service("orders", State.READY),),
        (service("orders", State.READY), service("payment", State.READY, State.MISSING)),
        (service("orders", State.UNREADY), service("payment", State.READY)),
        (service("orders", State.ASLEEP), service("payment", State.READY)),
        # before it is known which services are the lane's, it lacks all that it has no copy of
        (*READY, service("web", State.MISSING)),
        (),
    ],
)
def test_while_a_copy_is_missing_nobody_is_in_it(services: tuple[Service, ...]) -> None:
    found = share.of_release(release(), services)
    assert found is not None
    assert (found.weight, found.audience, found.sticky.header) == (0, Audience(), "x-user")


def test_a_service_that_is_not_released_is_left_to_the_baseline() -> None:
    web = Service(
        "web", "shop", (Port("http", 8080, 10001, Protocol.HTTP, (), (copy(State.READY, "pr-1"),)),)
    )
    found = share.of_release(release(), (web, *READY))
    assert found is not None
    assert found.weight == 25


@pytest.mark.parametrize("phase", [Phase.FINISHING, Phase.RESTORING])
def test_while_the_baseline_is_of_two_versions_everybody_stays(phase: Phase) -> None:
    found = share.of_release(release(phase, 100), ())
    assert found is not None
    assert (found.weight, found.audience, found.firm) == (100, VIP, True)


@pytest.mark.parametrize("phase", [one for one in Phase if one not in share.TAKING])
def test_a_release_that_has_not_begun_or_goes_back_takes_nothing(phase: Phase) -> None:
    assert share.of_release(release(phase), READY) is None
    assert share.running([release(phase)]) is None


def test_there_may_be_no_release() -> None:
    assert share.running([]) is None
    assert share.of_release(None, READY) is None


def test_of_several_the_one_that_cannot_be_left_counts_then_the_greatest_then_the_oldest() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    firm = release(Phase.RESTORING, 0, "a-firm", created=late)
    great = release(weight=50, name="great", created=late)
    old = release(weight=50, name="old", created=early)
    waiting = release(Phase.PENDING, 0, "waiting", created=early)
    for expected, among in (
        (firm, [great, firm, old]),
        (old, [great, old, waiting]),
        (great, [waiting, great]),
    ):
        assert share.running(among) == share.running(among[::-1]) == expected


def test_a_release_that_was_deleted_takes_nothing_unless_it_cannot_be_left() -> None:
    assert share.running([release(going=True)]) is None
    assert share.running([release(Phase.FINISHING, going=True)]) is not None
