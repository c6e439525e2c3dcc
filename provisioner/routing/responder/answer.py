"""What the responder says. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner import names
from provisioner.routing import lineage

MISSING = "x-laneway-missing"  # set by the lane's route: CHAIN/LANE/SERVICE
SERVED = "x-preview-lane-served"
UNKNOWN = "a strict lane has no ready copy of a service; its route does not say of which\n"


@dataclass(frozen=True)
class Answer:
    """A text, and what `SERVED` says."""

    text: str
    served: str


def to(missing: str) -> Answer:
    """The answer to a request with that header. What is no name is not repeated."""
    parts = missing.split("/")
    if len(parts) != 3 or not all(map(names.is_label, parts)):
        return Answer(UNKNOWN, "none")
    chain, lane, service = parts
    return Answer(lineage.lacking(chain, lane, service), f"{service}=none")
