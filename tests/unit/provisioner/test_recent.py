"""What is kept of heads that were read."""

from __future__ import annotations

from datetime import UTC, datetime

from provisioner.chain.model import Chain, Repository
from provisioner.changes import Source
from provisioner.git.mirror import Tips
from provisioner.git.recent import Recent
from provisioner.lane.model import Member

SHOP = Repository("https://github.com/acme/shop.git", "acme/shop")
CHAIN = Chain("shop", (SHOP,), ())
MEMBER = Member("acme/shop", "fix", "", 1, datetime(2026, 5, 1, tzinfo=UTC))


def key(head: str) -> tuple[Chain, Repository, Tips]:
    return CHAIN, SHOP, Tips("refs/heads/main", "b", "refs/heads/fix", head)


def source(head: str, paths: int = 1) -> Source:
    return Source(MEMBER, SHOP, head, "b", tuple(map(str, range(paths))), {})


def test_the_answer_asked_for_longest_ago_goes_first() -> None:
    recent = Recent(most=2)
    recent.put(key("1"), source("1"))
    recent.put(key("2"), source("2"))
    recent.get(key("1"))
    recent.put(key("3"), source("3"))
    assert [head for head in "123" if recent.get(key(head))] == ["1", "3"]


def test_a_very_large_change_is_not_kept() -> None:
    recent = Recent()
    recent.put(key("1"), source("1", paths=5001))
    assert recent.get(key("1")) is None
