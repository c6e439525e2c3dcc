"""What a release's listeners have yet to be told, and how."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

from provisioner.chain.strategy import Strategy
from provisioner.release import outbox
from tests.support.told import BEGUN, happened, release

HERE, THERE = "http://here.example/hook", "http://there.example/hook"
SOON = BEGUN + timedelta(seconds=10)


def both(*numbers: int, **notified: int) -> dict[str, list[int]]:
    """What each of two listeners has to be told, where the timeline has these entries."""
    strategy = Strategy(notify=(HERE, THERE))
    line = [happened(one) for one in numbers]
    known = {outbox.listener({"here": HERE, "there": THERE}[who]): last for who, last in notified.items()}
    found = outbox.pending(release(strategy=strategy, timeline=line, notified=known), (HERE, THERE), SOON)
    return {url: [one.sequence for one in notices] for url, notices in found.items()}


def test_a_listener_is_told_everything_in_order() -> None:
    assert both(1, 2, 3) == {HERE: [1, 2, 3], THERE: [1, 2, 3]}


def test_what_a_listener_took_it_is_not_told_again() -> None:
    assert both(1, 2, 3, here=2, there=3) == {HERE: [3]}


def test_entries_that_the_timeline_lost_leave_a_gap_in_the_numbers() -> None:
    assert both(7, 8, here=2, there=8) == {HERE: [7, 8]}


def test_without_listeners_nobody_is_told() -> None:
    assert outbox.pending(release(timeline=[happened(1)]), (HERE,), SOON) == {}


def test_a_url_that_somebody_else_wrote_into_the_release_is_not_told() -> None:
    strategy = Strategy(notify=(HERE, THERE))
    found = outbox.pending(release(strategy=strategy, timeline=[happened(1)]), (THERE,), SOON)
    assert found.keys() == {THERE}


def test_what_nobody_took_for_a_day_is_told_to_nobody() -> None:
    strategy = Strategy(notify=(HERE,))
    told = release(strategy=strategy, timeline=[happened(1), happened(3600)])
    found = outbox.pending(told, (HERE,), BEGUN + timedelta(days=1, minutes=1))
    assert [one.sequence for one in found[HERE]] == [3600]


def test_a_notice_says_what_happened_to_which_release() -> None:
    entry = happened(4, "Weight", 25, message="the entry gives it 25 %", step=1)
    told = release(strategy=Strategy(notify=(HERE,)), timeline=[entry])
    notice = outbox.pending(told, (HERE,), SOON)[HERE][0]
    assert notice.id == "uid-of-release-1:4"
    assert json.loads(notice.body) == {
        "id": "uid-of-release-1:4",
        "sequence": 4,
        "chain": "shop",
        "release": "release-1",
        "origin": "lane pr-4",
        "services": [
            {"name": "orders", "image": "example/orders:2"},
            {"name": "payment", "image": "example/payment:2"},
        ],
        "event": "Weight",
        "at": entry["at"],
        "phase": "Progressing",
        "reason": "Holding",
        "step": 1,
        "steps": 5,
        "weight": 25,
        "message": "the entry gives it 25 %",
    }


def test_the_signature_is_over_the_bytes_that_are_sent() -> None:
    strategy = Strategy(notify=(HERE,))
    told = release(strategy=strategy, timeline=[happened(1, message="größer")])
    notice = outbox.pending(told, (HERE,), SOON)[HERE][0]
    headers = notice.headers(b"k" * 32)
    expected = hmac.new(b"k" * 32, notice.body, hashlib.sha256).hexdigest()
    assert headers["X-Laneway-Signature-256"] == f"sha256={expected}"
    assert headers["X-Laneway-Delivery"] == notice.id
    assert "größer" in notice.body.decode()


def test_the_address_of_a_listener_is_not_in_what_is_noted() -> None:
    strategy = Strategy(notify=(HERE,))
    found = outbox.pending(release(strategy=strategy, timeline=[happened(1), happened(2)]), (HERE,), SOON)
    noted = outbox.noted(found[HERE])
    assert list(noted.values()) == [2]
    assert "example" not in str(noted)


def test_what_is_left_is_tried_again_the_later_the_longer_it_waits() -> None:
    strategy = Strategy(notify=(HERE,))
    left = outbox.pending(release(strategy=strategy, timeline=[happened(1)]), (HERE,), SOON)
    ages = (0, 10, 120, 3600)
    waits = [outbox.again(left, BEGUN + timedelta(seconds=1 + age)) for age in ages]
    assert waits == [2, 5, 60, 300]
    assert outbox.again({}, SOON) is None
