"""What a release makes of a request without a lane at its chain's entry: `share.lua` in Python. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.routing import share as shares
from provisioner.routing.explain.story import Request
from provisioner.routing.intent import Share


@dataclass(frozen=True)
class Dealt:
    """Whether the request is in the release; where that is decided by lot, whether it is likelier than not.
    `remark` says why, for people."""

    inside: bool
    remark: str


def dealt(request: Request, share: Share) -> Dealt:
    """What becomes of a request without a lane."""
    if invitation := _invitation(request, share):
        return Dealt(True, f"invited by {invitation}")
    bucket, source = _bucket(request, share)
    if bucket is not None:
        inside = shares.contains(share, bucket)
        says = "in" if inside else "not in"
        return Dealt(inside, f"bucket {bucket} by {source}, which is {says} its {share.weight} percent")
    again = "; --header with a cookie says for a user" if share.sticky.cookie else ""
    remark = f"by lot: {share.weight} of 100 requests that have no bucket are in it{again}"
    return Dealt(share.weight > 50, remark)


def _invitation(request: Request, share: Share) -> str:
    audience = share.audience
    if audience.header and ",".join(request.values(audience.header)) == audience.header_value:
        return f"header {audience.header}"
    if audience.cookie and audience.cookie_value in _cookies(request, audience.cookie):
        return f"cookie {audience.cookie}"
    return ""


def _bucket(request: Request, share: Share) -> tuple[int | None, str]:
    """The bucket that the request itself says, and by what."""
    sticky = share.sticky
    if sticky.header and (user := ",".join(request.values(sticky.header))):
        return shares.bucket_of(user), f"header {sticky.header}"
    if sticky.cookie and (kept := next(_cookies(request, sticky.cookie), "")):
        return shares.bucket_in(kept), f"cookie {sticky.cookie}"
    return None, ""


def _cookies(request: Request, name: str) -> Iterator[str]:
    """The values of a cookie, in their order."""
    for text in request.values("cookie"):
        for pair in text.split(";"):
            key, sign, value = pair.partition("=")
            if sign and key.strip() == name:
                yield value.strip()
