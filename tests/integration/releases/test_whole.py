"""Whole releases against a real API: step by step to the end, and back from each point of the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.chain.strategy import Finish, Step
from provisioner.errors import PermanentError
from provisioner.lane.model import Mode, moment
from provisioner.release import baseline, store
from provisioner.release.model import Phase, Reason
from tests.support.releaseshop import NEW, OLD, STRATEGY, ReleaseShop


def test_a_release_goes_through_its_steps_and_leaves_the_baseline_as_its_lane_was(shop: ReleaseShop) -> None:
    untouched = shop.deployment("frontend")["metadata"]["generation"]
    shop.begin()
    shop.reaches(Phase.PROGRESSING)
    assert shop.images() == OLD
    lane = shop.lane()
    assert lane is not None
    assert (lane.mode, lane.release, lane.members) == (Mode.MEMBERS, "v2", ())
    assert {name: one["spec"]["replicas"] for name, one in shop.copies().items()} == {
        "orders": 1,
        "payment": 1,
    }

    found = shop.ends()

    assert (found.phase, found.reason) == (Phase.SUCCEEDED, Reason.SUCCEEDED)
    assert shop.shares() == [0, 25, 100, 0]
    assert shop.images() == OLD | NEW
    assert shop.deployment("frontend")["metadata"]["generation"] == untouched


def test_copies_are_as_many_as_the_share_needs_before_it_is_raised(shop: ReleaseShop) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 100)
    counts = {name: one["status"]["readyReplicas"] for name, one in shop.copies().items()}
    assert counts == {"orders": 2, "payment": 2}


def test_the_baseline_is_not_written_before_the_requests_have_ended_that_began_in_it(
    shop: ReleaseShop,
) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, steps=(Step(25), Step(100))))
    shop.begin()
    since = shop.until(lambda one: one.weight == 100).status["weightAt"]
    begun = shop.reaches(Phase.FINISHING).status["progressAt"]
    drain = timedelta(seconds=shop.shop.world.settings.drain_seconds)
    assert moment(begun) - moment(since) >= drain > timedelta(0)


def test_a_release_asked_to_end_before_it_begins_changes_nothing(shop: ReleaseShop) -> None:
    shop.begin()
    shop.say(aborted="no")
    assert shop.ends().phase is Phase.ROLLED_BACK
    assert (shop.shares(), shop.images()) == ([0], OLD)


@pytest.mark.parametrize("weight", [25, 100])
def test_a_release_asked_to_end_takes_its_share_to_nothing_at_once(shop: ReleaseShop, weight: int) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == weight)
    shop.say(aborted="too many complaints")
    shop.turn()
    assert shop.release().weight == 0
    assert shop.lane() is not None, "requests that are on their way still need it"

    found = shop.ends()

    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.ABORTED)
    assert "too many complaints" in found.status["message"]
    assert shop.images() == OLD


def test_a_release_asked_to_end_has_no_share_although_nothing_else_of_it_can_be_read(
    shop: ReleaseShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 25)

    def refused(*_: object) -> list[object]:
        raise PermanentError("autoscalers is forbidden", reason="Forbidden")

    with monkeypatch.context() as taken_away:
        taken_away.setattr(baseline, "autoscalers", refused)
        shop.turn()
        assert shop.release().weight == 25, "nobody has asked yet"
        shop.say(aborted="too many complaints")
        shop.turn()
        shop.turn()
        found = shop.release()
        assert (found.phase, found.weight) == (Phase.ROLLING_BACK, 0)
        assert "forbidden" in found.status["message"]
    assert shop.ends().reason == Reason.ABORTED
    assert shop.images() == OLD


def test_a_release_asked_to_end_while_the_baseline_changes_gives_it_its_own_images_back_first(
    shop: ReleaseShop,
) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 100)
    shop.reaches(Phase.FINISHING)
    shop.turn()
    shop.say(aborted="no")
    during = []
    while shop.release().phase is not Phase.ROLLING_BACK:
        shop.turn()
        during.append((shop.release().phase, shop.release().weight))
    assert {weight for phase, weight in during if phase is Phase.RESTORING} == {100}
    assert shop.ends().reason == Reason.ABORTED
    assert shop.images() == OLD


def test_a_release_that_is_done_cannot_be_ended(shop: ReleaseShop) -> None:
    shop.begin()
    shop.reaches(Phase.RETURNING)
    shop.say(aborted="too late")
    assert shop.ends().phase is Phase.SUCCEEDED
    assert shop.images() == OLD | NEW


def test_a_baseline_that_does_not_get_ready_with_the_new_images_gets_its_own_back(shop: ReleaseShop) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 100)
    shop.spared = {f"{name}--v2" for name in NEW}
    shop.broken = {NEW["orders"]}

    found = shop.ends()

    assert (found.phase, found.reason) == (Phase.ROLLED_BACK, Reason.DEADLINE)
    assert shop.images() == OLD
    assert shop.shares() == [0, 25, 100, 0]


def test_a_copy_that_never_gets_ready_ends_the_release_at_its_deadline(shop: ReleaseShop) -> None:
    shop.broken = {NEW["orders"]}
    shop.begin()
    assert shop.ends().reason == Reason.DEADLINE
    assert (shop.shares(), shop.images()) == ([0], OLD)


def test_where_somebody_else_writes_the_baseline_the_release_waits_for_that(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, finish=Finish.WAIT))
    shop.begin()
    shop.reaches(Phase.FINISHING)
    for _ in range(5):
        shop.turn()
    assert (shop.release().reason, shop.images()) == (Reason.WAITING_FOR_BASELINE, OLD)
    for name, image in NEW.items():
        shop.edit(name, image=image)
    assert shop.ends().phase is Phase.SUCCEEDED


def test_a_baseline_that_changes_in_the_middle_stops_the_release_until_somebody_has_looked(
    shop: ReleaseShop,
) -> None:
    shop.begin()
    shop.until(lambda one: one.weight == 25)
    shop.edit("orders", env=[{"name": "LEVEL", "value": "debug"}])
    held = shop.reaches(Phase.PAUSED)
    assert (held.reason, held.weight) == (Reason.BASELINE_CHANGED, 25)
    assert "orders" in held.status["message"]

    shop.say(accepted=held.status["found"], resumed=held.resumed + 1)
    shop.until(lambda one: one.weight == 100)

    (copy,) = shop.copies()["orders"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "LEVEL", "value": "debug"} in copy["env"], "its lane is derived anew"
    assert shop.ends().phase is Phase.SUCCEEDED
    assert shop.images() == OLD | NEW


def test_a_release_deleted_while_the_baseline_changes_restores_it_before_it_goes(shop: ReleaseShop) -> None:
    shop.begin()
    shop.reaches(Phase.FINISHING)
    shop.turn()
    assert shop.images() == OLD | NEW
    shop.cluster.delete("Release", shop.release().object_name)
    for _ in range(60):
        if store.read(shop.cluster, shop.chain.name, "v2") is None:
            break
        shop.turn()
    assert store.read(shop.cluster, shop.chain.name, "v2") is None
    assert (shop.images(), shop.copies()) == (OLD, {})


def test_blue_green_takes_all_at_once_and_waits_for_a_word(shop: ReleaseShop) -> None:
    shop.chain = replace(shop.chain, release=replace(STRATEGY, steps=(Step(100, manual=True),)))
    shop.begin()
    assert shop.reaches(Phase.PAUSED).reason == Reason.MANUAL
    shop.say(promoted=1)
    assert shop.ends().phase is Phase.SUCCEEDED
    assert shop.shares() == [0, 100, 0]
