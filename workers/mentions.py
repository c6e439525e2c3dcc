"""Whom users' routes concerned when they were seen last. Pure, not shared.

An edit can take the last name of a chain's service out of a route, or somebody writes it anew without the
lanes' rules: what it says from then on concerns nobody, and its change does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workers.relevance import AllLanes, Concern

Json = dict[str, Any]


class Mentions:
    """By the uid of each object that concerned all lanes of some chains, those chains."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[AllLanes]] = {}

    def note(self, obj: Json, concerns: Iterable[Concern], *, gone: bool) -> tuple[Concern, ...]:
        """Whom a change of an object concerns, if what it is now concerns these."""
        uid, found = obj["metadata"]["uid"], tuple(concerns)
        before = self._known.pop(uid, frozenset())
        now = frozenset(one for one in found if isinstance(one, AllLanes))
        if now and not gone:
            self._known[uid] = now
        return (*found, *sorted(before - now, key=str))
