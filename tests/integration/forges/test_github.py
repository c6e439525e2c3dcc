"""GitHub's pull requests over HTTP: what is read of them, and what is made of an API that refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner.chain.model import Repository
from provisioner.errors import LanewayError
from provisioner.events import ForgeEvent, Kind
from provisioner.forges import ForgeError, Forges
from provisioner.forges.errors import RepositoryHidden
from provisioner.forges.github import GitHub
from tests.support.github import TOKEN, Answer, GitHubApi, github_api
from tests.support.histories import CHAIN, SHOP, closed, opened, pushed, updated

REPOSITORY = CHAIN.repositories[0]


@dataclass
class Scene:
    """An API, a token that it takes, and who asks it."""

    api: GitHubApi
    token: Path
    clock: float = 0.0

    @property
    def github(self) -> GitHub:
        return GitHub(self.api.url, self.token)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with github_api() as api:
        yield Scene(api, token)


@pytest.fixture
def forges(scene: Scene) -> Forges:
    """GitHub, which serves CHAIN's repositories."""

    class Everywhere(GitHub):
        def serves(self, repository: Repository) -> bool:
            return True

    return Forges({"github": Everywhere(scene.api.url, scene.token)}, lambda: scene.clock)


WHOLE = updated(
    5, author="ada", title="Pay twice", url="https://github.com/acme/shop/pull/7", labels=("preview", "x")
)


def test_a_pull_request_is_read_as_a_delivery_of_it_would_be(scene: Scene) -> None:
    scene.api.shows(WHOLE)
    assert scene.github.pull(SHOP, 7) == replace(WHOLE, delivery="")


def test_a_merged_one_is_closed(scene: Scene) -> None:
    scene.api.shows(closed(9, merged=True))
    assert scene.github.pull(SHOP, 7) == replace(
        closed(9, merged=True), delivery="", url="https://github.com/acme/shop/pull/7"
    )


@pytest.mark.parametrize(
    ("head", "read"),
    [("mallory/shop", "mallory/shop"), ("mallory/gone", "mallory/(deleted)"), ("Acme/Shop", SHOP)],
)
def test_a_fork_is_told_from_the_repository_itself(scene: Scene, head: str, read: str) -> None:
    scene.api.shows(replace(WHOLE, head_repository=head))
    found = scene.github.pull(SHOP, 7)
    assert found is not None
    assert found.head_repository == read


def test_none_of_that_number_is_none(scene: Scene) -> None:
    assert scene.github.pull(SHOP, 8) is None


def test_all_pages_are_read_and_one_request_is_made_for_each(scene: Scene) -> None:
    scene.api.page = 2
    for number in range(1, 6):
        scene.api.shows(replace(WHOLE, pull=number))
    scene.api.shows(closed(9, pull=6))

    assert [one.pull for one in scene.github.open_pulls(SHOP)] == [1, 2, 3, 4, 5]
    assert len(scene.api.seen) == 3


def test_a_token_that_is_replaced_is_used_at_once(scene: Scene) -> None:
    scene.api.shows(WHOLE)
    github = scene.github
    scene.token.write_text("revoked")
    with pytest.raises(ForgeError, match="put a new one there"):
        github.pull(SHOP, 7)
    scene.token.write_text(TOKEN)
    assert github.pull(SHOP, 7) is not None


@pytest.mark.parametrize(
    ("answer", "said", "wait"),
    [
        (Answer(401, "Bad credentials"), "has expired or was revoked", None),
        (Answer(403, "Resource not accessible"), "read access to pull requests of acme/shop", None),
        (Answer(404, "Not Found"), "read access to pull requests of acme/shop", None),
        (Answer(429, "Slow down", {"retry-after": "17"}), "rate limit is used up", 17.0),
        (Answer(500, "Oops"), "it answered 500", None),
        (Answer(503, "", {"retry-after": "3"}), "it answered 503", 3.0),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_token(
    scene: Scene, answer: Answer, said: str, wait: float | None
) -> None:
    scene.api.trouble = answer
    with pytest.raises(ForgeError) as found:
        scene.github.open_pulls(SHOP)
    assert said in str(found.value)
    assert TOKEN not in str(found.value)
    assert found.value.retry_after == wait


def test_a_used_up_limit_says_when_it_is_renewed(scene: Scene) -> None:
    scene.api.trouble = Answer(403, "API rate limit exceeded", {"x-ratelimit-remaining": "0"})
    scene.api.trouble.headers["x-ratelimit-reset"] = "1"
    with pytest.raises(ForgeError, match="rate limit is used up") as found:
        scene.github.pull(SHOP, 7)
    assert found.value.retry_after == 1.0


def test_nobody_there_is_said(tmp_path: Path, scene: Scene) -> None:
    with pytest.raises(ForgeError, match=r"http://127\.0\.0\.1:9: it does not answer"):
        GitHub("http://127.0.0.1:9", scene.token).pull(SHOP, 7)


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "umläut"])
def test_a_file_without_a_token_is_named(scene: Scene, text: str) -> None:
    scene.token.write_text(text)
    with pytest.raises(ForgeError, match="token: it must hold"):
        scene.github.pull(SHOP, 7)
    scene.token.unlink()
    with pytest.raises(ForgeError, match="cannot be read"):
        scene.github.pull(SHOP, 7)


@pytest.mark.parametrize(
    ("api", "url", "served"),
    [
        ("https://api.github.com", "https://github.com/acme/shop.git", True),
        ("https://api.github.com", "https://x:y@github.com/acme/shop", True),
        ("https://api.github.com", "git@github.com:acme/shop.git", True),
        ("https://api.github.com", "ssh://git@GitHub.com:22/acme/shop.git", True),
        ("https://api.github.com", "https://gitlab.com/acme/shop.git", False),
        ("https://api.github.com", "https://github.com.evil.example/acme/shop.git", False),
        ("https://ghe.acme.com/api/v3", "https://ghe.acme.com/acme/shop.git", True),
        ("https://ghe.acme.com/api/v3", "https://github.com/acme/shop.git", False),
    ],
)
def test_it_serves_the_repositories_of_its_own_host(scene: Scene, api: str, url: str, served: bool) -> None:
    assert GitHub(api, scene.token).serves(Repository(url, SHOP)) is served


# --- what is made of its answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delivered", "shown", "counts"),
    [
        (opened(5), updated(5), Kind.OPENED),
        (opened(5), closed(9), Kind.CLOSED),
        (closed(5), updated(9), Kind.UPDATED),
        (updated(9), closed(5), Kind.UPDATED),  # the API lags behind its own delivery
    ],
)
def test_the_newer_of_delivery_and_answer_counts(
    scene: Scene, forges: Forges, delivered: ForgeEvent, shown: ForgeEvent, counts: Kind
) -> None:
    scene.api.shows(shown)
    found = forges.latest(delivered, CHAIN)
    assert (found.kind, found.delivery) == (counts, delivered.delivery)


def test_nothing_is_asked_about_a_push(scene: Scene, forges: Forges) -> None:
    assert forges.latest(pushed(5), CHAIN) == pushed(5)
    assert scene.api.seen == []


def test_a_forge_in_trouble_leaves_the_delivery_and_is_left_alone_for_as_long_as_it_says(
    scene: Scene, forges: Forges
) -> None:
    scene.api.shows(closed(9))
    scene.api.trouble = Answer(503, "", {"retry-after": "20"})
    assert forges.latest(opened(5), CHAIN) == opened(5)
    scene.api.trouble = None

    scene.clock = 19
    assert forges.latest(opened(5), CHAIN) == opened(5)
    assert len(scene.api.seen) == 1
    scene.clock = 21
    assert forges.latest(opened(5), CHAIN).kind is Kind.CLOSED


@pytest.mark.parametrize("status", [403, 404])
def test_a_repository_that_the_token_may_not_see_hides_no_other(
    scene: Scene, forges: Forges, status: int
) -> None:
    scene.api.shows(closed(9))
    scene.api.trouble = Answer(status, "Not for you")
    with pytest.raises(RepositoryHidden, match="read access to pull requests of acme/billing"):
        forges.open_pulls(CHAIN.repositories[1])
    scene.api.trouble = None
    assert forges.latest(opened(5), CHAIN).kind is Kind.CLOSED


def test_an_unknown_pull_request_leaves_the_delivery(forges: Forges) -> None:
    assert forges.latest(opened(5), CHAIN) == opened(5)


def test_what_no_forge_serves_cannot_be_asked(scene: Scene) -> None:
    forges = Forges({"github": GitHub("https://api.github.com", scene.token)})
    assert not forges.knows(Repository("https://gitlab.com/acme/shop", SHOP))
    with pytest.raises(LanewayError, match="no forge with a token serves it"):
        forges.open_pulls(Repository("https://gitlab.com/acme/shop", SHOP))


def test_answers_are_json_that_pygithub_can_read(scene: Scene) -> None:
    scene.api.shows(WHOLE)
    answer, body = scene.api.answer("/repos/acme/shop/pulls/7", f"token {TOKEN}")
    assert answer.status == 200
    assert json.loads(json.dumps(body))["number"] == 7
