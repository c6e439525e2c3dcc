"""A lane while events arrive: events to tell, and the story that keeps what `decision` decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from provisioner.chain.model import Chain, Lifecycle, Repository, Trigger
from provisioner.events import ForgeEvent, Kind
from provisioner.lane import decision
from provisioner.lane.model import Lane

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = "acme/shop"
BILLING = "acme/billing"
CHAIN = Chain(
    name="shop",
    repositories=(Repository("https://x/acme/shop", SHOP), Repository("https://x/acme/billing", BILLING)),
    services=(),
)
LABELLED = replace(CHAIN, lifecycle=Lifecycle(when=Trigger.LABELLED, label="preview"))
PULL = f"{SHOP}#7"
BRANCH = f"{SHOP}@feature/a"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(kind: Kind, seconds: float, **changes: object) -> ForgeEvent:
    """An event of pull request 7 of acme/shop, of branch feature/a."""
    usual = ForgeEvent(
        forge="github",
        delivery=f"{kind}-{seconds}",
        kind=kind,
        repository=SHOP,
        ref="feature/a",
        sha="a" * 40,
        updated_at=at(seconds),
        pull=0 if kind in (Kind.PUSHED, Kind.DELETED) else 7,
        base="main",
        head_repository=SHOP,
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def opened(seconds: float, **changes: object) -> ForgeEvent:
    return event(Kind.OPENED, seconds, **changes)


def updated(seconds: float, **changes: object) -> ForgeEvent:
    return event(Kind.UPDATED, seconds, **changes)


def closed(seconds: float, **changes: object) -> ForgeEvent:
    return event(Kind.CLOSED, seconds, **changes)


def pushed(seconds: float, **changes: object) -> ForgeEvent:
    return event(Kind.PUSHED, seconds, **changes)


def deleted(seconds: float, **changes: object) -> ForgeEvent:
    return event(Kind.DELETED, seconds, **changes)


def forked(event: ForgeEvent, sha: str = "f" * 40) -> ForgeEvent:
    return replace(event, head_repository="stranger/shop", sha=sha)


@dataclass
class Story:
    """One lane and its tombstones while events arrive, stored as the decisions say."""

    chain: Chain = CHAIN
    lane: Lane | None = None
    tombstones: dict[str, datetime] = field(default_factory=dict)

    def tell(self, *events: ForgeEvent) -> decision.Decision:
        for one in events:
            made = decision.fold(self.lane, one, self.chain, self.tombstones)
            self.lane = made.lane or self.lane
            if made.tombstone:
                key, until = made.tombstone
                self.tombstones[key] = max(until, self.tombstones.get(key, until))
        return made

    @property
    def open(self) -> list[str]:
        return [member.key for member in self.lane.members] if self.lane else []

    @property
    def sha(self) -> str:
        assert self.lane is not None
        return self.lane.members[0].sha[:1]


def approving(*shas: str) -> Story:
    lane = Lane("shop", decision.lane_of(forked(opened(1)), CHAIN), approved=tuple(sha * 40 for sha in shas))
    return Story(lane=lane)
