"""What a delivery turned out to be, in one shape for every forge."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.events import ForgeEvent


@dataclass(frozen=True)
class Ping:
    """The forge asks whether anybody listens."""

    delivery: str


@dataclass(frozen=True)
class Ignored:
    """Signed and read, and of no concern to any lane."""

    delivery: str
    reason: str


Parsed = ForgeEvent | Ping | Ignored
