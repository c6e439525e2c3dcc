"""What the responder says. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner import names
from provisioner.chain import syntax
from provisioner.chain.model import Carriers
from provisioner.routing import lineage

MISSING = "x-laneway-missing"  # set by the lane's route: CHAIN/LANE/SERVICE/HEADER of the carrier
UNKNOWN = "a strict lane has no ready copy of a service; its route does not say of which\n"


@dataclass(frozen=True)
class Answer:
    """A text, and the header that says who answered: nobody."""

    text: str
    header: str
    served: str


def to(missing: str) -> Answer:
    """The answer to a request with that header. What is no name is not repeated."""
    parts = missing.split("/")
    if len(parts) != 4 or not all(map(names.is_label, parts[:3])) or syntax.header(parts[3]):
        return Answer(UNKNOWN, lineage.served(Carriers().header), "none")
    chain, lane, service, header = parts
    return Answer(lineage.lacking(chain, lane, service), lineage.served(header), f"{service}=none")
