"""Bursts become two."""

from __future__ import annotations

from workers.debounce import Debounce


def test_the_first_change_is_due_at_once() -> None:
    changes: Debounce[str] = Debounce(quiet=0.2)
    changes.note("a", 10.0)
    assert changes.take(10.0) == ["a"]
    assert changes.take(10.0) == []


def test_what_follows_is_due_together_after_the_quiet_time() -> None:
    changes: Debounce[str] = Debounce(quiet=0.2)
    changes.note("a", 10.0)
    changes.take(10.0)
    for moment in (10.05, 10.1, 10.15):
        changes.note("a", moment)
        assert changes.take(moment) == []
    assert changes.take(10.25) == ["a"]
    assert changes.take(11.0) == []


def test_one_key_does_not_delay_another() -> None:
    changes: Debounce[str] = Debounce(quiet=0.2)
    changes.note("a", 10.0)
    changes.take(10.0)
    changes.note("a", 10.1)
    changes.note("b", 10.1)
    assert changes.take(10.1) == ["b"]


def test_a_change_that_could_not_be_handled_is_due_again_when_noted_again() -> None:
    changes: Debounce[str] = Debounce(quiet=0.2)
    changes.note("a", 10.0)
    changes.take(10.0)
    changes.note("a", 10.0)
    assert changes.take(10.3) == ["a"]


def test_what_is_long_past_is_forgotten() -> None:
    changes: Debounce[int] = Debounce(quiet=0.2)
    for key in range(1500):
        changes.note(key, float(key))
        changes.take(float(key))
    assert len(changes._last) < 1100
