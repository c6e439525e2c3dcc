"""A push to the base branch starts a release of what has changed since the baseline's own commits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provisioner.chain.strategy import Busy
from provisioner.events import ForgeEvent, Kind
from provisioner.release import pushed, store
from provisioner.release.pushed import commit_of
from tests.support.baseline import service
from tests.support.releaseshop import STRATEGY, ReleaseShop

SHA = "3f2c" * 10


@pytest.fixture
def built(shop: ReleaseShop) -> ReleaseShop:
    """The baseline runs what the first commit's pipeline built; pushes start releases."""
    first = shop.shop.origin.sha("main")
    for name in ("frontend", "orders", "payment"):
        shop.edit(name, image=f"{name}:{first}")
    shop.pods()
    shop.chain = replace(shop.chain, release=replace(STRATEGY, on_push=True))
    return shop


def push(shop: ReleaseShop, files: dict[str, str], **changes: Any) -> tuple[str, ForgeEvent]:
    head = shop.shop.origin.commit("main", files)
    return head, shop.shop.event(Kind.PUSHED, "main", sha=head, **changes)


def images(shop: ReleaseShop) -> list[dict[str, str]]:
    return [
        {one.service: one.image for one in release.changes}
        for release in store.every(shop.cluster, shop.chain.name)
    ]


def test_a_push_releases_the_services_that_it_changed(built: ReleaseShop) -> None:
    head, event = push(built, {"orders/app.py": "2"})
    made = pushed.begin(built.chain, event, built.shop.world)
    assert made is not None
    assert (made.name, made.origin) == (f"push-{head[:12]}", f"main at {head[:12]}")
    assert images(built) == [{"orders": f"orders:{head}"}]


def test_what_a_push_before_it_changed_is_released_with_it_if_it_does_not_run_yet(built: ReleaseShop) -> None:
    push(built, {"payment/app.py": "2"})
    head, event = push(built, {"orders/app.py": "2"})
    pushed.begin(built.chain, event, built.shop.world)
    assert images(built) == [{"orders": f"orders:{head}", "payment": f"payment:{head}"}]


def test_a_push_told_twice_starts_one_release(built: ReleaseShop) -> None:
    _, event = push(built, {"orders/app.py": "2"})
    assert pushed.begin(built.chain, event, built.shop.world) is not None
    assert pushed.begin(built.chain, event, built.shop.world) is None
    assert len(images(built)) == 1


def test_where_an_image_tells_no_commit_the_last_one_of_the_branch_counts(built: ReleaseShop) -> None:
    built.edit("orders", image="orders:stable")
    built.pods()
    push(built, {"orders/app.py": "2"})
    head, event = push(built, {"frontend/app.py": "2"})
    pushed.begin(built.chain, event, built.shop.world)
    assert images(built) == [{"frontend": f"frontend:{head}"}]


def test_a_push_that_changes_no_service_starts_none(built: ReleaseShop) -> None:
    _, event = push(built, {"README.md": "2"})
    assert pushed.begin(built.chain, event, built.shop.world) is None


def test_a_push_to_another_branch_and_one_that_nobody_asked_for_start_none(built: ReleaseShop) -> None:
    _, event = push(built, {"orders/app.py": "2"})
    assert pushed.begin(built.chain, replace(event, ref="work"), built.shop.world) is None
    built.chain = replace(built.chain, release=STRATEGY)
    assert pushed.begin(built.chain, event, built.shop.world) is None
    assert images(built) == []


def test_a_push_while_a_release_runs_starts_none_unless_releases_queue(built: ReleaseShop) -> None:
    built.begin()
    _, event = push(built, {"orders/app.py": "2"})
    assert pushed.begin(built.chain, event, built.shop.world) is None
    built.chain = replace(built.chain, release=replace(built.chain.release, busy=Busy.QUEUE))
    assert pushed.begin(built.chain, event, built.shop.world) is not None


@pytest.mark.parametrize(
    ("pattern", "image", "commit"),
    [
        ("ghcr.io/acme/a:{sha}", f"ghcr.io/acme/a:{SHA}", SHA),
        ("a:{branch}-{short_sha}", "a:main-3f2c3f2", "3f2c3f2"),
        ("git+{repository}@{service_sha}#a", f"git+https://example.com/a@{SHA}#a", SHA),
        ("a:{sha}", "a:stable", ""),
        ("a:{branch}", "a:main", ""),
        ("a.b:{sha}", f"axb:{SHA}", ""),
    ],
)
def test_the_commit_of_an_image_is_read_by_the_services_pattern(
    pattern: str, image: str, commit: str
) -> None:
    assert commit_of(service(image=pattern), image) == commit
