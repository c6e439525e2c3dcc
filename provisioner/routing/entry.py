"""Which lane a request is in where its chain is entered, and whether it may be: alike for all drivers. Pure.

A request may name a lane in several ways, its carriers. The first of `PRECEDENCE` that names one counts. At
the entry, and only there, `entry.trust` narrows which carriers of a request from outside count at all; inner
services follow header and baggage, which the entry has set or taken away. A request from one of
`entry.networks` is not from outside.

A driver compiles `counted(...)` for outside and inside. What it cannot express it leaves out on the safe side
(the lane cannot be entered that way) and says so in its row of docs/routing.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from provisioner.chain.model import Entry, Trust, Untrusted


class Carrier(StrEnum):
    """What names the lane of a request. The words are those of docs/routing.md."""

    HEADER = "header"
    BAGGAGE = "baggage"
    LINK = "link"  # signed: a query parameter, else the cookie that it set
    COOKIE = "cookie"  # unsigned
    HOST = "host"


PRECEDENCE = tuple(Carrier)  # the first one that names a valid lane wins

# With these in what a request says, the entry decides; nothing else about it matters.
Said = Mapping[Carrier, str]


@dataclass(frozen=True)
class Verdict:
    """`lane` is empty for the baseline. `ignored`: the request named a lane by what does not count; every
    trace of that is taken from it before an application sees it."""

    lane: str = ""
    by: Carrier | None = None
    forbidden: bool = False
    ignored: bool = False


def configured(entry: Entry) -> tuple[Carrier, ...]:
    """The carriers that the chain has at its entry at all, first the one that wins."""
    optional = {Carrier.LINK: entry.link, Carrier.COOKIE: entry.cookie, Carrier.HOST: entry.host}
    return tuple(one for one in PRECEDENCE if optional.get(one, "always"))


def counted(entry: Entry, *, inside: bool = False) -> tuple[Carrier, ...]:
    """The carriers by which a request may name its lane, first the one that wins. `inside`: it comes from
    one of `entry.networks`."""
    if inside or entry.trust is Trust.HEADER:
        return configured(entry)
    return (Carrier.LINK,) if entry.trust is Trust.SIGNED else ()


def judge(entry: Entry, said: Said, *, inside: bool = False) -> Verdict:
    """What becomes of a request that names these lanes. `said` holds valid names alone, and a link only if
    its signature, chain and time are right."""
    for carrier in counted(entry, inside=inside):
        if lane := said.get(carrier):
            return Verdict(lane, carrier)
    named = any(said.get(carrier) for carrier in configured(entry))
    return Verdict(forbidden=named and entry.untrusted is Untrusted.FORBIDDEN, ignored=named)
