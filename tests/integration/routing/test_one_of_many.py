"""One of many lanes changes while requests of all kinds run: nobody else fails, or is answered by another."""

from __future__ import annotations

import pytest

from provisioner.routing.lineage import lacking
from tests.support.load import enough, load
from tests.support.routing import endpoint_slice, lane, wait_until

MANY = [f"pr-{number}" for number in range(1, 9)]
OWN = {"phase": "Ready", "services": [{"name": "payment", "inLane": True, "route": "lane"}]}
FELL_BACK = (200, "baseline", "payment=baseline")


def tag(name):
    return {"x-preview-lane": name}


def answered(by):
    return (200, by, f"payment={by}")


@pytest.fixture
def town(world):
    """Eight lanes with a copy each, of which the second is strict; a child of the first, without a copy; and
    the lane that is changed, pr-0, which is not open yet."""
    world.start()
    for name in MANY:
        world.open_lane(name)
    world.store.put(lane("pr-2", OWN, mode="members"), lane("child", parent="pr-1"))
    wait_until(lambda: world.ask(tag("child")) == answered("pr-1"), what="the child's way to its parent")
    return world


class Fire:
    """Requests of everybody but pr-0 while a test changes that one."""

    def __init__(self, town):
        self.town = town
        self.kinds = {(): (200, "baseline", None), "absent": FELL_BACK, "child": answered("pr-1")}
        self.kinds |= {name: answered(name) for name in MANY}

    def __enter__(self):
        self._load = load(self.town, *({} if name == () else tag(name) for name in self.kinds))
        self._seen = self._load.__enter__()
        return self

    def __exit__(self, *raised):
        self._load.__exit__(*raised)
        if not any(raised):
            for expected, seen in zip(self.kinds.values(), self._seen, strict=True):
                assert set(seen) == {expected}

    def becomes(self, answer):
        """What pr-0's requests are answered by from now on; the others go on for a while then."""
        wait_until(lambda: self.town.ask(tag("pr-0")) == answer, what=f"{answer}")
        for seen in self._seen:
            enough(seen, 3)


def test_a_lane_that_is_opened_updated_and_closed_moves_nobody_else(town):
    first, second = town.upstream("first"), town.upstream("second")
    with Fire(town) as fire:
        for _ in range(2):
            town.store.put(lane("pr-0"), endpoint_slice("payment", [first.address], "pr-0"))
            fire.becomes((200, "first", "payment=pr-0"))
            town.store.put(endpoint_slice("payment", [second.address], "pr-0"))
            fire.becomes((200, "second", "payment=pr-0"))
            town.store.put(lane("pr-0", {"phase": "Terminating"}))
            fire.becomes(FELL_BACK)
            town.store.delete(lane("pr-0"), endpoint_slice("payment", [second.address], "pr-0"))
            fire.becomes(FELL_BACK)


def test_a_lane_that_loses_its_last_copy_turns_strict_and_takes_a_parent_moves_nobody_else(town):
    copy = town.upstream("copy")
    there, gone = endpoint_slice("payment", [copy.address], "pr-0"), endpoint_slice("payment", [], "pr-0")
    missing = (503, lacking("shop", "pr-0", "payment"), "payment=none")
    with Fire(town) as fire:
        for mode, without in (("loose", FELL_BACK), ("members", missing), ("all", missing)):
            town.store.put(lane("pr-0", OWN, mode=mode), there)
            fire.becomes((200, "copy", "payment=pr-0"))
            town.store.put(gone)
            fire.becomes(without)
        town.store.put(lane("pr-0", OWN, parent="pr-3"))
        fire.becomes(answered("pr-3"))


def test_a_parent_that_is_opened_and_closed_moves_its_children_alone(town):
    with Fire(town) as fire:
        town.store.put(lane("pr-0", parent="above"))
        fire.becomes(FELL_BACK)
        above = town.upstream("above")
        for _ in range(2):
            town.store.put(lane("above"), endpoint_slice("payment", [above.address], "above"))
            fire.becomes(answered("above"))
            town.store.put(lane("above", {"phase": "Terminating"}))
            fire.becomes(FELL_BACK)
