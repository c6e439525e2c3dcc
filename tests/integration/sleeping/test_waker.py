"""What happens to requests for a lane that sleeps, in a real Envoy."""

from __future__ import annotations

from tests.support.routing import wait_until
from tests.support.sleeping import LANE, Bedroom


def test_the_first_request_is_held_and_answered_by_the_lane(bedroom: Bedroom) -> None:
    bedroom.put_to_sleep()

    held = bedroom.asking()
    wait_until(lambda: bedroom.woken_by() == [LANE], what="the mark on the Lane")
    assert not held.done()
    bedroom.wake()

    assert held.result(10) == (200, LANE, f"payment={LANE}")
