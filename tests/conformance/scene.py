"""The one chain of the suite and its lanes, as data. Every case asks for one of these lanes, or for none.

web -> orders -> payment -> ledger        each with the ports http, admin (HTTP as well) and grpc
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CHAIN = "shop"
SERVICES = ("web", "orders", "payment", "ledger")
PORTS = {"http": 8080, "admin": 8081, "grpc": 9090}
DOMAIN = "preview.example.com"
COOKIE = "preview-lane"
BUCKET = "laneway-bucket"  # the cookie that keeps a user in a release, or out of it
RELEASE = "spring"
TESTER = "tester"  # header and cookie of those who are in it whatever its weight
LINK = "preview"  # the query parameter of signed links, and what the cookie that they set ends in
KEY = "0123456789abcdef0123456789abcdef"  # that signs them
BASELINE = "baseline"
OUTSIDE = "outside"  # where requests come in that are not from one of the chain's own services
LONGEST = "a-lane-whose-name-has-as-many-characters-as-a-dns-label-may-have"[:63]
LONGER = LONGEST[:62] + "x"  # differs in the last character alone


class Copy(StrEnum):
    """What is to be seen of a lane's copy of a service."""

    READY = "ready"
    UNREADY = "unready"  # it listens, but is not ready
    CRASHED = "crashed"  # it counts as ready, and nobody listens


@dataclass(frozen=True)
class Lane:
    """`copies` by service; a service that is not in it is not in the lane."""

    copies: Mapping[str, Copy] = field(default_factory=dict)
    mode: str = "loose"
    parent: str = ""
    release: str = ""


def _ready(*services: str) -> dict[str, Copy]:
    return dict.fromkeys(services, Copy.READY)


LANES: Mapping[str, Lane] = {
    "pr-4": Lane(_ready("orders", "payment")),
    "pr-42": Lane(_ready("payment")),
    "entry": Lane(_ready("web")),
    "end": Lane(_ready("ledger")),
    "all-four": Lane(_ready(*SERVICES)),
    "gap": Lane(_ready("web", "payment")),
    "empty": Lane(),
    "a": Lane(_ready("payment")),
    "42": Lane(_ready("payment")),
    "two--hyphens": Lane(_ready("payment")),
    LONGEST: Lane(_ready("payment")),
    LONGER: Lane(_ready("orders")),
    "unready": Lane(_ready("orders") | {"payment": Copy.UNREADY}),
    "crashed": Lane(_ready("orders") | {"payment": Copy.CRASHED}),
    # strict
    "own": Lane(_ready("orders", "payment"), "members"),
    "own-unready": Lane(_ready("orders") | {"payment": Copy.UNREADY}, "members"),
    "own-crashed": Lane(_ready("orders") | {"payment": Copy.CRASHED}, "members"),
    "whole": Lane(_ready(*SERVICES), "all"),
    "whole-unready": Lane(_ready("web", "payment", "ledger") | {"orders": Copy.UNREADY}, "all"),
    "whole-but-one": Lane(_ready("web", "orders", "payment"), "all"),
    "whole-of-none": Lane({}, "all"),
    # stacked: each has what the one below it has, unless it has its own
    "child": Lane(_ready("payment"), parent="pr-4"),
    "child-unready": Lane({"payment": Copy.UNREADY}, parent="pr-4"),
    "child-empty": Lane(parent="pr-4"),
    "grandchild": Lane(_ready("ledger"), parent="child"),
    "own-child": Lane(_ready("ledger"), "members", parent="pr-4"),
    "own-child-unready": Lane({"payment": Copy.UNREADY}, "members", parent="pr-4"),
    "whole-child": Lane(_ready("web"), "all", parent="pr-4"),
    "orphan": Lane(_ready("payment"), parent="gone"),
    "ring-a": Lane(_ready("payment"), parent="ring-b"),
    "ring-b": Lane(_ready("orders"), parent="ring-a"),
    **{f"floor-{number}": Lane(parent=f"floor-{number - 1}") for number in range(1, 6)},
    "floor-0": Lane(_ready("orders")),
    RELEASE: Lane(_ready("web", "payment"), "members", release=RELEASE),
}
