"""Which services a lane has, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.model import Chain, Repository, Service, WorkloadRef
from provisioner.changes import PLACEHOLDERS, Cause, Source, Verdict, image, select, tag, wanting_sha
from provisioner.errors import ConfigError, InputError
from provisioner.lane.model import Member, Mode

SHOP = Repository("https://github.com/acme/shop.git", "acme/shop")
MONEY = Repository("https://github.com/acme/money.git", "acme/money", base="trunk")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HEAD = "0123456789abcdef0123456789abcdef01234567"


def service(
    name: str, *, depends_on: tuple[str, ...] = (), repository: str = "", image: str = "i:{sha}"
) -> Service:
    return Service(
        name,
        WorkloadRef("Deployment", name),
        image,
        "shop",
        (f"{name}/**",),
        repository=repository,
        depends_on=depends_on,
    )


def chain(
    *services: Service,
    shared: tuple[tuple[str, tuple[str, ...]], ...] = (),
    repositories: tuple[Repository, ...] = (SHOP, MONEY),
) -> Chain:
    return Chain("shop", repositories, services, shared_paths=shared, source="laneway.yaml")


def source(
    *paths: str,
    repository: Repository = SHOP,
    pull: int = 1,
    later: int = 0,
    merge_base: str = "b" * 40,
    shas: Mapping[str, str] | None = None,
    ref: str = "fix/rounding",
) -> Source:
    member = Member(repository.name, ref, HEAD, pull, NOON + timedelta(seconds=later))
    return Source(member, repository, HEAD, merge_base, tuple(sorted(paths)), shas or {})


def verdict(chain: Chain, name: str, *sources: Source) -> Verdict:
    return next(one for one in select(chain, sources) if one.service == name)


def said(chain: Chain, name: str, *sources: Source) -> tuple[bool, str, str]:
    found = verdict(chain, name, *sources)
    return found.in_lane, found.cause.value, found.message


def test_a_service_whose_paths_changed_is_in_and_says_by_which_path() -> None:
    found = verdict(chain(service("payment")), "payment", source("payment/app.py"))
    assert found == Verdict(
        "payment", True, Cause.CHANGED, "payment/app.py matches payment/**", "acme/shop#1"
    )


def test_further_paths_are_counted() -> None:
    paths = [f"payment/{number}" for number in range(4)]
    assert (
        verdict(chain(service("payment")), "payment", source(*paths)).message
        == "payment/0 matches payment/** (+3 more)"
    )


def test_a_service_that_nothing_touches_is_out_and_says_why() -> None:
    shop = chain(service("orders"))
    assert said(shop, "orders", source("a", "b")) == (
        False,
        "Unchanged",
        "none of 2 changed paths matches orders/**",
    )
    assert said(shop, "orders", source("a")) == (
        False,
        "Unchanged",
        "a, the only changed path, does not match orders/**",
    )
    assert said(shop, "orders", source()) == (False, "Unchanged", "nothing differs from acme/shop main")
    assert said(shop, "orders") == (False, "Unchanged", "the lane has no members")


def test_a_dependency_brings_its_dependents_at_any_distance() -> None:
    shop = chain(service("a", depends_on=("b",)), service("b", depends_on=("c",)), service("c"))
    changed = source("c/1")
    assert said(shop, "b", changed) == (True, "DependsOn", "depends on c, which changed")
    assert said(shop, "a", changed) == (True, "DependsOn", "depends on b, which depends on c, which changed")


def test_services_that_depend_on_each_other_end() -> None:
    shop = chain(service("a", depends_on=("b",)), service("b", depends_on=("a",)))
    assert said(shop, "a", source("b/1")) == (True, "DependsOn", "depends on b, which changed")
    assert not verdict(shop, "a", source("c/1")).in_lane


def test_a_service_that_changed_says_so_although_it_also_depends_on_one() -> None:
    shop = chain(service("a", depends_on=("b",)), service("b"))
    assert verdict(shop, "a", source("a/1", "b/1")).cause is Cause.CHANGED


def test_a_shared_path_brings_the_services_that_it_names() -> None:
    shop = chain(service("a"), service("b"), service("c"), shared=(("libs/**", ("a", "b")),))
    assert said(shop, "a", source("libs/x")) == (True, "SharedPath", "shared path: libs/x matches libs/**")
    assert verdict(shop, "b", source("libs/x")).in_lane
    assert not verdict(shop, "c", source("libs/x")).in_lane


def test_a_dependent_of_a_shared_path_says_so() -> None:
    shop = chain(service("a"), service("b", depends_on=("a",)), shared=(("libs/**", ("a",)),))
    assert (
        verdict(shop, "b", source("libs/x")).message == "depends on a, which uses a shared path that changed"
    )


def test_an_unrelated_history_is_said() -> None:
    message = verdict(chain(service("a")), "a", source("a/1", merge_base="")).message
    assert (
        message
        == "a/1 matches a/**; fix/rounding shares no history with main, so every file counts as changed"
    )


def test_verdicts_come_in_the_order_of_the_chain() -> None:
    shop = chain(service("c"), service("a", depends_on=("b",)), service("b"))
    assert [one.service for one in select(shop, [source("b/1")])] == ["c", "a", "b"]


def test_members_in_two_repositories_make_one_lane() -> None:
    shop = chain(service("orders", repository="acme/shop"), service("money", repository="ACME/money"))
    sources = (source("orders/1"), source("money/1", repository=MONEY, pull=9))
    assert [one.member for one in select(shop, sources)] == ["acme/shop#1", "acme/money#9"]


def test_a_path_in_another_repository_is_not_the_services_own() -> None:
    shop = chain(service("money", repository="acme/money"))
    assert said(shop, "money", source("money/1")) == (
        False,
        "OtherRepository",
        "its code lies in acme/money, of which no branch is in this lane",
    )


def test_a_dependent_in_a_repository_without_a_member_stays_out_and_says_so() -> None:
    shop = chain(service("orders"), service("money", repository="acme/money", depends_on=("orders",)))
    assert said(shop, "money", source("orders/1")) == (
        False,
        "OtherRepository",
        "depends on orders, but its code lies in acme/money, of which no branch is in this lane",
    )


def test_a_dependent_takes_its_code_from_its_own_repositorys_member() -> None:
    shop = chain(service("orders"), service("money", repository="acme/money", depends_on=("orders",)))
    sources = (source("orders/1"), source("README", repository=MONEY, pull=9))
    found = verdict(shop, "money", *sources)
    assert (found.cause, found.member) == (Cause.DEPENDS_ON, "acme/money#9")


def test_of_two_members_that_change_a_service_the_later_one_gives_its_code() -> None:
    shop = chain(service("payment"))
    old, new = source("payment/1", pull=1), source("payment/2", pull=2, later=5)
    for sources in ((old, new), (new, old)):
        found = verdict(shop, "payment", *sources)
        assert found.member == "acme/shop#2"
        assert found.message == (
            "payment/2 matches payment/**; taken from acme/shop#2, which was updated after acme/shop#1"
        )


NAMES = ("a", "b", "c", "d")
services_ = st.tuples(
    *(
        st.builds(
            lambda depends_on, repository, name=name: service(
                name, depends_on=tuple(sorted(depends_on)), repository=repository
            ),
            st.sets(st.sampled_from(NAMES)),
            repository=st.sampled_from(["", "acme/shop", "acme/money"]),
        )
        for name in NAMES
    )
)
sources_ = st.lists(
    st.builds(
        lambda paths, repository, pull, later: source(*paths, repository=repository, pull=pull, later=later),
        st.sets(st.sampled_from([f"{name}/x" for name in NAMES] + ["libs/x", "README"])),
        st.sampled_from([SHOP, MONEY]),
        st.integers(1, 50),
        st.integers(0, 3),
    ),
    max_size=3,
    unique_by=lambda one: one.member.key,
)


@given(services_, sources_, st.sets(st.sampled_from(NAMES)), st.randoms())
def test_select_decides_each_service_once_and_whatever_the_order(services, sources, shared, random) -> None:
    shop = chain(*services, shared=(("libs/**", tuple(sorted(shared))),))
    verdicts = select(shop, sources)
    assert [one.service for one in verdicts] == list(NAMES)
    shuffled = list(sources)
    random.shuffle(shuffled)
    assert select(shop, shuffled) == verdicts
    keys = {one.member.key: one.repository.name for one in sources}
    for one, decided in zip(services, verdicts, strict=True):
        assert decided.message
        assert decided.in_lane == (decided.cause in (Cause.CHANGED, Cause.SHARED_PATH, Cause.DEPENDS_ON))
        assert (decided.member in keys) == decided.in_lane
        assert not decided.in_lane or one.repository in ("", keys[decided.member])


@given(services_, sources_, st.sets(st.sampled_from(NAMES)), st.sampled_from([(SHOP,), (SHOP, MONEY)]))
def test_every_service_of_the_lane_can_be_given_its_sha(services, sources, shared, repositories) -> None:
    asking = tuple(replace(one, image="i:{service_sha}") for one in services)
    shop = chain(*asking, shared=(("libs/**", tuple(sorted(shared))),), repositories=repositories)
    sources = [one for one in sources if one.repository in repositories]
    by_member = {one.member.key: one for one in sources}
    for one, decided in zip(asking, select(shop, sources), strict=True):
        if decided.in_lane:
            assert one in wanting_sha(shop, by_member[decided.member])


@given(services_, sources_)
def test_mode_all_adds_the_rest_and_takes_nobody_s_code_for_it(services, sources) -> None:
    shop = chain(*services)
    for loose, whole in zip(select(shop, sources), select(shop, sources, Mode.ALL), strict=True):
        if loose.in_lane or not sources:
            assert whole == loose
        else:
            assert (whole.in_lane, whole.cause, whole.member) == (True, Cause.EVERY_SERVICE, "")


@given(services_, sources_)
def test_a_further_member_never_takes_a_service_out(services, sources) -> None:
    shop = chain(*services)
    inside = {one.service for one in select(shop, sources[:-1]) if one.in_lane}
    assert inside <= {one.service for one in select(shop, sources) if one.in_lane}


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("ghcr.io/acme/payment:{sha}", f"ghcr.io/acme/payment:{HEAD}"),
        ("x:{short_sha}", "x:0123456"),
        ("x:{service_sha}", "x:" + "c" * 40),
        ("x:{branch}-{pull}", "x:fix-rounding-1"),
        ("git+{repository}@{sha}#payment", f"git+https://github.com/acme/shop.git@{HEAD}#payment"),
        ("x:fixed", "x:fixed"),
    ],
)
def test_placeholders_are_filled_in(pattern: str, expanded: str) -> None:
    payment = service("payment", image=pattern)
    assert image(payment, source(shas={"payment": "c" * 40}), chain(payment)) == expanded


def test_an_unknown_placeholder_is_named_with_those_that_exist() -> None:
    payment = service("payment", image="x:{tag}")
    with pytest.raises(
        ConfigError, match=r"laneway\.yaml: services\.payment\.image: unknown placeholder \{tag\}"
    ) as caught:
        image(payment, source(), chain(payment))
    assert all(f"{{{name}}}" in str(caught.value) for name in PLACEHOLDERS)


def test_a_service_sha_without_a_commit_says_which_globs_nothing_touched() -> None:
    payment = service("payment", image="x:{service_sha}")
    with pytest.raises(ConfigError, match=r"no commit of fix/rounding touches payment/\*\*"):
        image(payment, source(), chain(payment))


def test_a_token_in_the_url_never_reaches_an_image() -> None:
    payment = service("payment", image="git+{repository}@{sha}")
    secret = replace(SHOP, url="https://bot:t0ken@github.com/acme/shop.git")
    assert "t0ken" not in image(payment, source(repository=secret), chain(payment))


@pytest.mark.parametrize(
    ("branch", "slug"),
    [
        ("main", "main"),
        ("feature/a", "feature-a"),
        ("Fix/Ä b", "Fix-b"),
        ("-x", "x"),
        ("_x.1", "_x.1"),
        ("a" * 200, "a" * 128),
    ],
)
def test_a_branch_becomes_a_tag(branch: str, slug: str) -> None:
    assert tag(branch) == slug


def test_a_branch_without_anything_for_a_tag_says_what_to_use() -> None:
    with pytest.raises(InputError, match=r"use \{sha\}"):
        tag("日本")


@given(st.text(min_size=1))
def test_every_tag_is_one_that_a_registry_takes(branch: str) -> None:
    try:
        slug = tag(branch)
    except InputError:
        return
    assert len(slug) <= 128
    assert slug[0] not in ".-"
    assert all(letter.isascii() and (letter.isalnum() or letter in "_.-") for letter in slug)
