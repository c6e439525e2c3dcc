"""Which untagged requests a release takes at the entry of its chain: the reference for all drivers. Pure.

A user is in one of `BUCKETS` buckets, and always in the same: that of the configured header (such as one with
a user's id), else the number in the cookie, else one drawn by lot, which the cookie then keeps. A release
takes as many buckets as its weight says, counted from one that follows from its name:

* a weight of 25 percent is exactly a quarter of all buckets;
* whoever is in at one weight is in at every greater one: raising it moves nobody back;
* two releases begin with different users, so that it is not always the same ones who try what is new.

`share.lua` does the same in the built-in router, and its tests hold it to this.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime

from provisioner.chain.model import Entry, Protocol
from provisioner.chain.strategy import Audience
from provisioner.release.model import Phase, Release
from provisioner.routing.intent import Port, Service, Share, State

BUCKETS = 10_000
COOKIE_SECONDS = 365 * 24 * 3600
COOKIE_VALUE = re.compile("0|[1-9][0-9]{0,3}")  # of a cookie that counts; any other is as none

TAKING = (Phase.PROGRESSING, Phase.PAUSED, Phase.FINISHING, Phase.RESTORING)
FIRM = (Phase.FINISHING, Phase.RESTORING)  # the baseline may be of two versions: nobody is better off there

_MASK = 0xFFFFFFFF
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def oaat(text: str) -> int:
    """Jenkins's one-at-a-time hash of the text's UTF-8, 32 bits without sign.
    https://www.burtleburtle.net/bob/hash/doobs.html"""
    found = 0
    for byte in text.encode():
        found = (found + byte) & _MASK
        found = (found + (found << 10)) & _MASK
        found ^= found >> 6
    found = (found + (found << 3)) & _MASK
    found ^= found >> 11
    return (found + (found << 15)) & _MASK


def bucket_of(user: str) -> int:
    """The bucket of a user whose header says so, from 0 to BUCKETS - 1."""
    return oaat(user) % BUCKETS


def bucket_in(cookie: str) -> int | None:
    """The bucket that the cookie's value names; None where it names none."""
    return int(cookie) if COOKIE_VALUE.fullmatch(cookie) else None


def start(release: str) -> int:
    """The bucket with which a release begins."""
    return -oaat(release) % BUCKETS


def position(release: str, bucket: int) -> int:
    """How many buckets come into a release before this one."""
    return (bucket - start(release)) % BUCKETS


def taken(share: Share) -> int:
    """How many buckets are in the release."""
    return share.weight * BUCKETS // 100


def takes(share: Share | None) -> bool:
    """Whether anybody may be in the release."""
    return share is not None and bool(share.weight or share.audience.header or share.audience.cookie)


def contains(share: Share, bucket: int) -> bool:
    """Whether the users of a bucket are in the release."""
    return position(share.release, bucket) < taken(share)


def ranges(share: Share) -> list[tuple[int, int]]:
    """The buckets that are in the release, as ranges with their ends."""
    first, count = start(share.release), share.weight * BUCKETS // 100
    past = first + count
    if past <= BUCKETS:
        return [(first, past - 1)] if count else []
    return [(0, past - BUCKETS - 1), (first, BUCKETS - 1)] if count < BUCKETS else [(0, BUCKETS - 1)]


def set_cookie(share: Share, bucket: int, entry: Entry) -> str:
    """The Set-Cookie header that keeps a user in a bucket."""
    return f"{share.sticky.cookie}={bucket}{cookie_attributes(entry)}"


def cookie_attributes(entry: Entry) -> str:
    """What follows the value of that cookie."""
    secure = "; Secure" if entry.secure else ""
    return f"; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}"


def running(releases: Iterable[Release]) -> Release | None:
    """The one release of a chain that may take requests; None where none may. There should be one at most:
    of several, the one that cannot be left counts, then the one with the most requests, then the oldest."""
    taking = (one for one in releases if one.phase in TAKING and not (one.going and one.phase not in FIRM))
    return min(taking, key=_precedence, default=None)


def _precedence(release: Release) -> tuple[bool, int, datetime, str]:
    firm = release.phase in FIRM
    return not firm, -release.weight, release.created or _LONG_AGO, release.name


def of_release(release: Release | None, services: Iterable[Service]) -> Share | None:
    """What a release takes now; None where it takes nothing, whatever else happens. While a released service
    has no ready copy at one of its HTTP ports, or its lane would get a 503 anywhere, nobody is in it, unless
    the share is firm."""
    if release is None or release.phase not in TAKING:
        return None
    strategy, firm = release.strategy, release.phase in FIRM
    fit = firm or _complete(release, services)
    return Share(
        release=release.name,
        lane=release.name,
        weight=release.weight if fit else 0,
        sticky=strategy.sticky,
        audience=strategy.audience if fit else Audience(),
        firm=firm,
    )


def _complete(release: Release, services: Iterable[Service]) -> bool:
    released = {one.service for one in release.changes}
    found = {one.name: _states(one, release.name) for one in services}
    ready = {name for name, states in found.items() if states <= {State.READY}}
    elsewhere = all(states <= {State.READY, None} for states in found.values())
    return released <= ready and elsewhere


def _states(service: Service, lane: str) -> set[State | None]:
    """What a lane's copy is at each HTTP port; None where there is none."""
    return {_state(port, lane) for port in service.ports if port.protocol is Protocol.HTTP}


def _state(port: Port, lane: str) -> State | None:
    """The copies of a port are sorted by lane, and may be thousands."""
    place = bisect_left(port.copies, lane, key=lambda one: one.lane)
    found = port.copies[place] if place < len(port.copies) else None
    return found.state if found is not None and found.lane == lane else None
