"""A release from its start to its end, and each way to leave that way."""

from __future__ import annotations

from provisioner.release.model import Phase
from tests.unit.release.world import NEW, OLD, world


def test_a_release_takes_every_step_and_leaves_the_baseline_with_its_images() -> None:
    shop = world()
    shop.to(Phase.SUCCEEDED)
    assert shop.weights == [0, 10, 25, 50, 75, 100, 0]
    assert shop.images == NEW and shop.lane is None


def test_a_release_that_is_aborted_takes_its_requests_back_at_once() -> None:
    shop = world()
    shop.until(lambda: shop.release.weight == 50)
    shop.wish(aborted="it is slow")
    assert shop.run().weight == 0
    shop.to(Phase.ROLLED_BACK)
    assert shop.images == OLD and shop.status["message"] == "it is slow"
