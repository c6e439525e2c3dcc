"""Which requests a release takes, through a real Envoy: as many as its weight says, and of the same users.

What the Lua filter does is held against `provisioner.routing.share`. `make proof` counts more of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.strategy import Sticky, Strategy
from provisioner.routing import share
from provisioner.routing.intent import Share
from tests.support.many import ask
from tests.support.releasing import BY_COOKIE, ENTRY, NAME, Releasing, Releasings, told
from tests.support.routing import Upstream, endpoint_slice, get, lane, release, wait_until

STEPS = (10, 25, 50, 75, 100)
BY_LOT = Strategy(sticky=Sticky(cookie=""))
BY_USER = Strategy(sticky=Sticky(header="x-user"))


def names(releasing: Releasing, requests: Iterable[Mapping[str, str]]) -> list[str]:
    return [one.name for one in ask(releasing.envoy.address, requests)]


def in_release(bucket: int, weight: int) -> str:
    return NAME if share.contains(Share(NAME, NAME, weight), bucket) else "baseline"


def as_weighted(worlds: Releasings, strategy: Strategy, count: int, within: float) -> None:
    """`within` is in standard deviations of so many decisions by lot; they are spread over connections."""
    releasing = worlds(ENTRY, strategy)
    for weight in STEPS:
        releasing.step(weight)
        found = Counter(name for _ in range(10) for name in names(releasing, [{}] * (count // 10)))
        assert found.keys() <= {NAME, "baseline"}
        deviation = math.sqrt(weight * (100 - weight) / count)
        assert abs(found[NAME] / count * 100 - weight) <= within * deviation, (weight, found)


def test_a_share_by_lot_is_as_its_weight(worlds: Releasings) -> None:
    as_weighted(worlds, BY_LOT, 2500, within=5)


@pytest.mark.proof
def test_a_share_of_many_is_within_a_point_of_its_weight(worlds: Releasings) -> None:
    as_weighted(worlds, BY_COOKIE, 40_000, within=4)  # a point, where they vary most


def exact(releasing: Releasing, every: int) -> None:
    """The buckets that are taken, by cookie, are those that the reference takes, and the share is exact."""
    buckets = range(0, share.BUCKETS, every)
    for weight in (*STEPS, 0):
        releasing.step(weight)
        found = names(releasing, ({"cookie": f"a=b; laneway-bucket={one}"} for one in buckets))
        assert found == [in_release(one, weight) for one in buckets]
        assert abs(found.count(NAME) - len(buckets) * weight / 100) <= 1


def test_the_users_in_a_release_are_those_of_the_reference(worlds: Releasings) -> None:
    exact(worlds(ENTRY, BY_COOKIE), 20)


@pytest.mark.proof
def test_every_bucket_is_where_the_reference_has_it(worlds: Releasings) -> None:
    exact(worlds(ENTRY, BY_COOKIE), 1)


@pytest.mark.parametrize("edge", [0, -1], ids=["the first", "the one before it"])
@pytest.mark.parametrize("weight", [1, 99])
def test_a_share_begins_and_ends_at_the_right_bucket(worlds: Releasings, weight: int, edge: int) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(weight)
    for border in (share.start(NAME), share.start(NAME) + weight * 100):
        bucket = (border + edge) % share.BUCKETS
        assert names(releasing, [{"cookie": f"laneway-bucket={bucket}"}]) == [in_release(bucket, weight)]


def test_no_user_goes_back_while_the_weight_rises_nor_changes_twice(worlds: Releasings) -> None:
    """A browser keeps the cookie that it got with its first answer."""
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(0)
    jar = [one.headers["set-cookie"].partition(";")[0] for one in ask(releasing.envoy.address, [{}] * 300)]
    seen: list[list[str]] = [[] for _ in jar]
    for weight in STEPS:
        releasing.step(weight)
        for of_user, name in zip(seen, names(releasing, ({"cookie": one} for one in jar)), strict=True):
            of_user.append(name)
    assert all(one == sorted(one, key=("baseline", NAME).index) for one in seen)
    assert {one[-1] for one in seen} == {NAME}
    assert 60 < sum(one[0] == "baseline" and one[2] == NAME for one in seen) < 180, "two fifths, about"


users = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1)


@settings(max_examples=200)
@given(user=users, weight=st.sampled_from([10, 50]))
def test_a_user_is_known_by_the_header(worlds: Releasings, user: str, weight: int) -> None:
    releasing = worlds(ENTRY, BY_USER)
    if releasing.taken() != weight * 100:
        releasing.step(weight)
    sent = {"x-user": user, "cookie": "laneway-bucket=17"}
    (answer,) = ask(releasing.envoy.address, [sent])
    assert answer.name == in_release(share.bucket_of(user), weight)
    assert "set-cookie" not in answer.headers


def test_who_has_no_such_header_is_known_by_the_cookie(worlds: Releasings) -> None:
    releasing = worlds(ENTRY, BY_USER)
    releasing.step(50)
    inside, outside = share.start(NAME), share.start(NAME) - 1
    assert names(releasing, [{"cookie": f"laneway-bucket={inside % share.BUCKETS}"}]) == [NAME]
    assert names(releasing, [{"cookie": f"laneway-bucket={outside % share.BUCKETS}"}]) == ["baseline"]


def test_an_id_of_a_megabyte_is_one_too(worlds: Releasings) -> None:
    releasing = worlds(ENTRY, BY_USER)
    releasing.step(50)
    user = "id" * 500_000
    assert names(releasing, [{"x-user": user}]) == [in_release(share.bucket_of(user), 50)]


def test_no_two_workers_nor_envoys_draw_the_same_lots(world) -> None:  # type: ignore[no-untyped-def]
    releasing = Releasing(world)
    releasing.bring()
    second = world.another_envoy(workers=2)
    releasing.step(50)
    wait_until(lambda: told(second) == told(releasing.envoy), what="the share at the other Envoy")
    lots = [
        one.headers["set-cookie"]
        for envoy in (releasing.envoy, *[second] * 12)  # connections are spread over the workers
        for one in ask(envoy.address, [{}] * 12)
    ]
    assert len(set(lots)) > 0.9 * len(lots), "two that are alike would have half of them twice"


def test_another_release_begins_with_other_users(releasing: Releasing) -> None:
    releasing.step(10)
    inside = [{"cookie": f"laneway-bucket={share.start(NAME)}"}]
    assert names(releasing, inside) == [NAME]
    releasing.end()
    copy: Upstream = releasing.world.upstream("v3")
    own = {"phase": "Ready", "services": [{"name": "payment", "inLane": True, "route": "lane"}]}
    releasing.world.store.put(
        lane("v3", own, mode="members", release="v3"),
        endpoint_slice("payment", [copy.address], "v3"),
        release("v3", 10),
    )
    wait_until(lambda: releasing.taken() == 1000, what="the next release")
    assert names(releasing, inside) == ["baseline"]
    assert names(releasing, [{"cookie": f"laneway-bucket={share.start('v3')}"}]) == ["v3"]


def test_the_answer_is_that_of_the_application_and_nothing_of_ours(worlds: Releasings) -> None:
    releasing = worlds(ENTRY, BY_LOT)
    releasing.step(100)
    status, headers, _ = get(releasing.envoy.address)
    assert (status, headers.keys()) == (200, {"server", "content-length", "date"})
