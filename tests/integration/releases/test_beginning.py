"""What can be released, and what is said where something is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.chain.model import Entry
from provisioner.chain.strategy import Busy
from provisioner.errors import InputError
from provisioner.events import Kind
from provisioner.lane.model import Mode
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.release import start, store
from provisioner.release.model import Change, Phase, Reason, Release
from tests.support.releaseshop import NEW, OLD, STRATEGY, ReleaseShop

BRANCH = "faster"


def opened(shop: ReleaseShop, changed: str = "payment", *, broken: bool = False) -> str:
    """The lane of a pull request, its copies ready unless they are broken; the head of its branch."""
    head = shop.shop.origin.branch(BRANCH, {f"{changed}/app.py": "2"})
    shop.broken |= {f"{changed}:{head}"} if broken else set()
    record(shop.shop.event(Kind.OPENED, BRANCH, sha=head), shop.chain, shop.shop.world)
    for _ in range(2):
        converge(shop.chain, BRANCH, shop.shop.world)
        shop.pods()
    return head


def from_lane(shop: ReleaseShop, lane: str = BRANCH, name: str = "") -> Release:
    return start.from_lane(shop.chain, lane, name, shop.shop.world)


def from_images(shop: ReleaseShop, name: str = "", **images: str) -> Release:
    return start.from_images(shop.chain, images or NEW, name, shop.shop.world)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        call()
    return str(error.value)


def test_a_lane_is_released_with_the_images_that_its_copies_have(shop: ReleaseShop) -> None:
    head = opened(shop)
    converge(shop.chain, BRANCH, shop.shop.world)
    made = from_lane(shop)
    assert made.changes == (Change("payment", f"payment:{head}"),)
    assert (made.name, made.origin, made.strategy) == ("release-1", "lane faster", STRATEGY)


def test_a_release_gets_the_next_number_unless_it_is_named(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, busy=Busy.QUEUE))
    store.create(shop.cluster, from_images(shop))
    assert from_images(shop).name == "release-2"
    assert from_images(shop, name="spring").name == "spring"
    assert "already" in refused(lambda: from_images(shop, name="release-1"))


@pytest.mark.parametrize("name", ["Spring", "a--b", "spring-1234567", "baseline"])
def test_a_name_that_no_lane_can_have_is_refused(shop: ReleaseShop, name: str) -> None:
    assert "cannot name a release" in refused(lambda: from_images(shop, name=name))


def test_a_name_that_a_pull_requests_lane_has_is_refused(shop: ReleaseShop) -> None:
    opened(shop)
    assert f"there is a lane {BRANCH}" in refused(lambda: from_images(shop, name=BRANCH))


def test_a_lane_that_is_not_there_is_refused_with_those_that_are(shop: ReleaseShop) -> None:
    opened(shop)
    assert f"did you mean {BRANCH}?" in refused(lambda: from_lane(shop, "fastr"))


def test_a_lane_whose_copies_are_not_ready_is_refused(shop: ReleaseShop) -> None:
    opened(shop, "orders", broken=True)
    assert "it is not ready: orders" in refused(lambda: from_lane(shop))


def test_the_lane_of_a_release_is_none_to_release(shop: ReleaseShop) -> None:
    shop.begin()
    shop.turn()
    assert "that of release v2" in refused(lambda: from_lane(shop, "v2"))


def test_a_service_that_the_chain_lacks_is_refused(shop: ReleaseShop) -> None:
    said = refused(lambda: from_images(shop, basket="basket:2"))
    assert "has no service basket; it has: frontend, orders, payment" in said


@pytest.mark.parametrize("image", ["", " orders:2", "orders 2"])
def test_what_is_no_image_is_refused(shop: ReleaseShop, image: str) -> None:
    assert "is no image" in refused(lambda: from_images(shop, orders=image))


def test_images_that_the_baseline_has_already_are_nothing_to_release(shop: ReleaseShop) -> None:
    assert "nothing to release" in refused(lambda: from_images(shop, orders=OLD["orders"]))
    assert from_images(shop, orders=OLD["orders"], payment="payment:new").changes == (
        Change("payment", "payment:new"),
    )


def test_a_service_that_neither_the_release_nor_the_baseline_has_is_named(shop: ReleaseShop) -> None:
    shop.cluster.delete("Deployment", "frontend", shop.namespace)
    assert "frontend has no ready pod on the baseline" in refused(lambda: from_images(shop))


def test_a_service_whose_baseline_is_not_there_is_named(shop: ReleaseShop) -> None:
    shop.cluster.delete("Deployment", "orders", shop.namespace)
    assert "Deployment/orders" in refused(lambda: from_images(shop))


def test_a_chain_that_does_not_say_where_it_is_entered_is_refused(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, entry=Entry())
    assert "set entry.service" in refused(lambda: from_images(shop))


def test_an_entry_that_is_not_attached_is_refused_and_ends_a_release_that_is_there(shop: ReleaseShop) -> None:
    shop.begin()
    service = shop.cluster.get("Service", "frontend", shop.namespace)
    assert service is not None
    service["spec"]["selector"] = {"app": "frontend"}
    shop.cluster.replace(service)
    assert "the entry is not attached" in refused(lambda: from_images(shop))
    found = shop.ends()
    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.NOT_ATTACHED)


def test_a_second_release_is_refused_while_one_runs(shop: ReleaseShop) -> None:
    shop.begin()
    assert "release v2 is Pending, and one release of a chain runs at a time" in refused(
        lambda: from_images(shop, name="v3")
    )


def test_a_second_release_that_came_all_the_same_is_refused_by_its_job(shop: ReleaseShop) -> None:
    late = from_images(shop, name="v3")
    shop.begin()
    shop.reaches(Phase.PROGRESSING)
    store.create(shop.cluster, late)
    found = shop.ends("v3")
    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.REFUSED)
    assert shop.ends().phase is Phase.SUCCEEDED


def test_a_second_release_waits_for_the_first_where_releases_queue(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, busy=Busy.QUEUE))
    shop.begin()
    shop.begin("v3", {"orders": "orders:newer"})
    shop.turn("v3")
    assert (shop.release("v3").reason, shop.lane("v3")) == (Reason.QUEUED, None)
    shop.ends()
    assert shop.ends("v3").phase is Phase.SUCCEEDED
    assert shop.images() == OLD | NEW | {"orders": "orders:newer"}


def test_a_lane_that_everything_is_copied_into_is_released_by_what_it_changed(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, mode=Mode.ALL)
    head = opened(shop)
    converge(shop.chain, BRANCH, shop.shop.world)
    assert from_lane(shop).changes == (Change("payment", f"payment:{head}"),)
