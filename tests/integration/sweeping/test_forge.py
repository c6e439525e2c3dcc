"""Where a token is set the forge says what is open, whatever became of its deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.chain.model import Lifecycle, Trigger
from provisioner.events import ForgeEvent, Kind
from provisioner.forges import Forges
from provisioner.forges.github import GitHub
from provisioner.lane.record import record
from provisioner.reconcile import converge
from provisioner.sweep.retention import Action, Why
from provisioner.world import World
from tests.support.github import TOKEN, Answer, GitHubApi, github_api
from tests.support.shop import REPOSITORY, Shop
from tests.support.sweeps import everything, found, here, lane, opened, settled, swept

DAY = 86_400.0


@dataclass
class Clock:
    """Moves past every rest that a forge may have asked for, each time that it is read."""

    seconds: float = 0.0

    def __call__(self) -> float:
        self.seconds += 1_000
        return self.seconds


@dataclass
class Hub:
    """A shop whose forge can be asked."""

    shop: Shop
    api: GitHubApi
    forges: Forges

    def event(self, kind: Kind, branch: str, **changes: Any) -> ForgeEvent:
        """What happens at the forge, which shows it from now on; a delivery of it, which may be lost."""
        shown = {"sha": self.shop.origin.sha(branch), **changes}
        event = self.shop.event(kind, branch, **shown)
        self.api.shows(event)
        return event

    def branch(self, *names: str) -> None:
        for name in names:
            self.shop.origin.branch(name, {"payment/app.py": name})

    def open(self, *branches: str) -> None:
        """Lanes of pull requests that the forge shows as open."""
        opened(self.shop, *branches)
        for name in branches:
            member = lane(self.shop, name).members[0]
            self.event(Kind.UPDATED, name, at=member.observed_at)

    def deliver(self, event: ForgeEvent) -> None:
        for one in record(event, self.shop.chain, self.shop.world):
            converge(self.shop.chain, one.lane, self.shop.world)

    def number(self, branch: str) -> int:
        return self.shop.pulls[branch]


@pytest.fixture
def hub(shop: Shop, tmp_path: Path) -> Iterator[Hub]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with github_api() as api:
        forges = Forges({"github": GitHub(api.url, token)}, Clock())
        shop.world = with_forges(shop.world, forges)
        yield Hub(shop, api, forges)


def with_forges(world: World, forges: Forges) -> World:
    return replace(world, forges=forges)


def test_an_opening_that_was_never_delivered_is_found(hub: Hub) -> None:
    hub.branch("lost")
    hub.event(Kind.OPENED, "lost")

    report = settled(hub.shop)

    assert found(report) == [("lost", Action.TAKE_IN, Why.PULL_OPEN)]
    assert "Deployment/payment--lost" in hub.shop.owned("lost")
    assert here(hub.shop) == {"lost"}


def test_a_change_of_base_that_was_never_delivered_is_found(hub: Hub) -> None:
    hub.branch("lower", "upper")
    hub.open("lower", "upper")
    assert lane(hub.shop, "upper").parent == ""
    hub.event(Kind.UPDATED, "upper", base="lower")
    assert found(settled(hub.shop)) == [("upper", Action.TAKE_IN, Why.RETARGETED)]
    assert lane(hub.shop, "upper").parent == "lower"
    assert found(settled(hub.shop)) == []


def test_a_closing_that_was_never_delivered_is_found(hub: Hub) -> None:
    hub.open("merged", "stays")
    hub.event(Kind.CLOSED, "merged", merged=True)

    report = settled(hub.shop)

    assert found(report) == [
        ("merged", Action.REMOVE_MEMBER, Why.PULL_CLOSED),
        ("merged", Action.REMOVE_LANE, Why.PULL_CLOSED),
    ]
    assert here(hub.shop) == {"stays"}


def test_the_last_one_that_is_open_may_close(hub: Hub) -> None:
    hub.open("only")
    hub.event(Kind.CLOSED, "only")
    assert settled(hub.shop).brake == ""
    assert here(hub.shop) == set()


def test_a_dry_run_says_the_same_and_writes_nothing(hub: Hub) -> None:
    hub.open("merged", "stays")
    hub.event(Kind.CLOSED, "merged")
    hub.branch("lost")
    hub.event(Kind.OPENED, "lost")
    before = everything(hub.shop)

    dry, asked = swept(hub.shop, dry_run=True)

    assert (asked, everything(hub.shop)) == ([], before)
    assert found(dry) == found(swept(hub.shop)[0])


def test_one_that_a_page_has_hidden_is_asked_for_by_itself_and_stays(hub: Hub) -> None:
    hub.open("hidden", "stays")
    hidden = hub.api.pulls[REPOSITORY, hub.number("hidden")]
    whole = hub.api.answer

    def without_it(path: str, authorization: str) -> tuple[Answer, Any]:
        answer, body = whole(path, authorization)
        if isinstance(body, list):
            body = [one for one in body if one["number"] != hidden.pull]
        return answer, body

    hub.api.answer = without_it  # type: ignore[method-assign]
    settled(hub.shop)
    assert here(hub.shop) == {"hidden", "stays"}


def test_a_forge_that_suddenly_knows_nothing_puts_the_brake_on(hub: Hub) -> None:
    hub.open("one", "two")
    hub.api.pulls.clear()

    report = settled(hub.shop)

    assert report.brake.startswith(f"the forge reports no open pull request of {REPOSITORY}")
    assert here(hub.shop) == {"one", "two"}
    settled(hub.shop, confirm=True)
    assert here(hub.shop) == set()


@pytest.mark.parametrize("trouble", [Answer(500), Answer(401, "Bad credentials"), Answer(404, "Not Found")])
def test_a_forge_in_trouble_ends_nobody_and_is_named(hub: Hub, trouble: Answer) -> None:
    hub.open("stays")
    hub.event(Kind.CLOSED, "stays")
    hub.api.trouble = trouble

    report = settled(hub.shop)

    assert [(one.why, one.subject) for one in report.findings] == [(Why.FORGE_UNREACHABLE, REPOSITORY)]
    assert here(hub.shop) == {"stays"}


def test_a_late_opening_of_what_has_been_closed_opens_nothing(hub: Hub) -> None:
    hub.branch("late")
    late = hub.event(Kind.OPENED, "late")
    hub.event(Kind.CLOSED, "late")
    hub.deliver(late)
    assert here(hub.shop) == set()


def test_a_late_closing_of_what_was_reopened_closes_nothing(hub: Hub) -> None:
    hub.open("again")
    late = hub.event(Kind.CLOSED, "again")
    hub.event(Kind.UPDATED, "again")
    hub.deliver(late)
    assert here(hub.shop) == {"again"}


def test_who_lost_the_label_loses_the_lane(hub: Hub) -> None:
    lifecycle = Lifecycle(when=Trigger.LABELLED, label="preview")
    hub.shop.chain = replace(hub.shop.chain, lifecycle=lifecycle)
    hub.branch("labelled", "plain")
    hub.event(Kind.OPENED, "labelled", labels=("preview",))
    hub.event(Kind.OPENED, "plain")
    settled(hub.shop)
    assert here(hub.shop) == {"labelled"}

    hub.event(Kind.UPDATED, "labelled", labels=())
    settled(hub.shop)
    assert here(hub.shop) == set()


def test_a_lane_that_expired_comes_back_by_a_push_and_not_by_a_comment(hub: Hub) -> None:
    hub.open("old")
    hub.shop.clock.step(4 * DAY)
    settled(hub.shop)
    assert here(hub.shop) == set()

    hub.event(Kind.UPDATED, "old")
    assert found(settled(hub.shop)) == []

    hub.shop.origin.commit("old", {"payment/app.py": "3"})
    hub.event(Kind.UPDATED, "old")
    assert found(settled(hub.shop)) == [("old", Action.TAKE_IN, Why.PULL_OPEN)]


def test_a_fork_that_is_open_still_waits_for_its_approval(hub: Hub) -> None:
    hub.branch("patch-1")
    hub.event(Kind.OPENED, "patch-1", head_repository="mallory/shop")
    assert found(settled(hub.shop)) == []
    assert here(hub.shop) == set()


def test_a_lane_whose_members_were_wiped_by_hand_gets_them_back(hub: Hub) -> None:
    hub.open("wiped")
    hub.shop.cluster.merge("Lane", lane(hub.shop, "wiped").object_name, {"spec": {"members": []}})
    settled(hub.shop)
    assert [one.key for one in lane(hub.shop, "wiped").members] == [f"{REPOSITORY}#{hub.number('wiped')}"]
