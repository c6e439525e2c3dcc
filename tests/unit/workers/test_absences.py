"""What a watch knows to be absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workers.watches import Target, Watch

Json = dict[str, Any]

TARGET = Target("NetworkPolicy", "shop")


class Seen:
    """A cluster that shows these objects, then these events."""

    def __init__(self, *there: Json, events: tuple[tuple[str, Json], ...] = ()) -> None:
        self.there, self.events = list(there), events

    def snapshot(self, kind: str, namespace: str = "", labels: str = "") -> tuple[list[Json], str]:
        return self.there, "7"

    def watch(
        self, kind: str, namespace: str = "", labels: str = "", since: str = ""
    ) -> Iterator[tuple[str, Json]]:
        yield from self.events


def policy(name: str) -> Json:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "8"}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}}}


def followed(seen: Seen) -> Watch:
    watch = Watch(seen, TARGET, lambda obj, gone: None)
    watch.follow()
    return watch


def test_a_watch_that_has_not_begun_knows_nothing() -> None:
    assert not Watch(Seen(), TARGET, lambda obj, gone: None).is_empty()


def test_a_watch_that_sees_nothing_says_so() -> None:
    assert followed(Seen()).is_empty()


def test_an_object_that_was_there_or_came_is_known() -> None:
    assert not followed(Seen(policy("deny"))).is_empty()
    assert not followed(Seen(events=(("ADDED", policy("deny")),))).is_empty()


def test_an_object_is_known_while_it_is_told_of() -> None:
    told: list[bool] = []
    events = (("ADDED", policy("deny")), ("MODIFIED", policy("deny") | {"spec": {"podSelector": {"a": "b"}}}))
    watch = Watch(Seen(events=events), TARGET, lambda obj, gone: told.append(watch.is_empty()))
    watch.follow()
    assert told == [False, False]


def test_the_last_object_that_goes_leaves_nothing() -> None:
    events = (("ADDED", policy("deny")), ("DELETED", policy("deny")))
    assert followed(Seen(events=events)).is_empty()
