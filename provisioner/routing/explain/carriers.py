"""Which lane a request names, as the built-in router reads it: `carriers.lua`, in Python. Pure.

Signed links are left out: only the router has the keys that they are checked with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from provisioner import names
from provisioner.chain.model import Chain
from provisioner.routing import entry
from provisioner.routing.entry import Carrier, Verdict
from provisioner.routing.explain.story import Request


@dataclass(frozen=True)
class Heard:
    """The lane that a request is in, empty for none; by which carrier; and why it is not in another.
    `forbidden`: the entry answers 403 for that."""

    lane: str = ""
    by: str = ""
    remark: str = ""
    forbidden: bool = False


def heard(request: Request, chain: Chain) -> Heard:
    """What the router makes of a request at a service."""
    said = {carrier: lane for carrier, lane in _all(request, chain) if lane}
    if chain.entry.service in ("", request.service):
        verdict = entry.judge(chain.entry, said)
    else:
        verdict = _inside(said)
    if verdict.ignored:
        why = f"what names a lane does not count at this entry (entry.trust: {chain.entry.trust})"
        return Heard(remark=why, forbidden=verdict.forbidden)
    if verdict.by is None:
        return Heard(remark=_why_none(request, chain))
    return Heard(verdict.lane, verdict.by.value)


def _inside(said: dict[Carrier, str]) -> Verdict:
    """Behind the entry header and baggage count, always."""
    for carrier in (Carrier.HEADER, Carrier.BAGGAGE):
        if carrier in said:
            return Verdict(said[carrier], carrier)
    return Verdict()


def _why_none(request: Request, chain: Chain) -> str:
    """What in the request looks like a lane and is none."""
    if _has_link(request, chain):
        return "it has a signed link, which only the router can check, and names no lane otherwise"
    values = request.values(chain.carriers.header)
    if not values:
        return "nothing in the request names a lane"
    if len(values) > 1:
        return f"{chain.carriers.header} is there {len(values)} times, which no lane is called"
    return f"{values[0][:80]!r} in {chain.carriers.header} is no name that a lane can have"


def _has_link(request: Request, chain: Chain) -> bool:
    entry = chain.entry
    cookies = (pair.strip() for text in request.values("cookie") for pair in text.split(";"))
    parameters = request.path.partition("?")[2].split("&")
    return bool(entry.link) and (
        any(one.startswith(f"{entry.ticket}=") for one in cookies)
        or any(one.startswith(f"{entry.link}=") for one in parameters)
    )


def _all(request: Request, chain: Chain) -> Iterable[tuple[Carrier, str]]:
    yield Carrier.HEADER, _lane(",".join(request.values(chain.carriers.header)))
    yield Carrier.BAGGAGE, _of_baggage(",".join(request.values("baggage")), chain.carriers.baggage)
    if chain.entry.cookie:
        yield Carrier.COOKIE, _of_cookie(";".join(request.values("cookie")), chain.entry.cookie)
    if chain.entry.domain:
        yield Carrier.HOST, _of_host(request.host, chain.entry.domain)


def _lane(text: str) -> str:
    return text if names.is_label(text) and text not in names.RESERVED else ""


def _of_baggage(text: str, key: str) -> str:
    """The last valid one counts."""
    found = ""
    for member in text.split(","):
        parts = re.match(r"\s*([^=;\s]+)\s*=\s*([^;]*)", member)
        if parts and parts[1] == key:
            found = _lane(unquote(parts[2].rstrip(), "latin-1")) or found
    return found


def _of_cookie(text: str, name: str) -> str:
    """The first valid one counts."""
    pairs = (pair.strip().partition("=") for pair in text.split(";"))
    return next((_lane(value) for key, _, value in pairs if key == name and _lane(value)), "")


def _of_host(host: str, domain: str) -> str:
    bare = re.sub(r":\d*$", "", host.lower()).removesuffix(".")
    lane, dot, rest = bare.partition(".")
    return _lane(lane) if dot and rest == domain.lower() else ""
