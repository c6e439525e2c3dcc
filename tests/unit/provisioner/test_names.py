"""Names of lanes and copies: valid, stable, and never shared by two things."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner import names

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
WITH_SURROGATES = st.text(st.characters(exclude_categories=()))
ANY_TEXT = WITH_SURROGATES | LABEL | st.text("ab-/.", max_size=70)

HARD_TO_NAME = [
    "",
    ".",
    "..",
    "-",
    "--upload-pack=touch x",
    "'; drop table lanes; --",
    'a"b`c$(d)',
    "feature/../../etc",
    "a\nb",
    "a\x00b",
    "!!!???",
    "日本語",
    "Ünïcödé",
    "😀",
    "\ud800",
    "x" * 10_000,
    "é" * 10_000,
    "a/" * 5_000,
    "-" * 10_000,
    "xn--nxasmq6b",
]


@pytest.mark.parametrize("branch", ["main", "pr-42", "42", "a", "release-20261123", "bug-123456", "x" * 63])
def test_a_branch_that_is_a_label_keeps_its_name(branch: str) -> None:
    assert names.lane_name(branch) == branch


@pytest.mark.parametrize("branch", HARD_TO_NAME, ids=lambda branch: ascii(branch[:20]))
def test_any_branch_gets_a_valid_label(branch: str) -> None:
    assert names.is_label(names.lane_name(branch))


@given(ANY_TEXT, st.sampled_from(["", "octo", "Octo-Cat"]))
def test_every_lane_name_is_a_valid_label_without_a_double_hyphen(branch: str, fork: str) -> None:
    lane = names.lane_name(branch, fork)
    assert names.is_label(lane)
    assert "--" not in lane


def test_branches_with_one_slug_are_three_lanes() -> None:
    lanes = {names.lane_name(branch) for branch in ("feature/a", "feature-a", "Feature/A")}
    assert len(lanes) == 3
    assert all(lane.startswith("feature-a") for lane in lanes)


def test_the_branch_stays_readable_in_a_hashed_name() -> None:
    assert names.lane_name("JIRA-42/Größe ändern").startswith("jira-42-gro")


@pytest.mark.parametrize("length", [63, 64, 65])
def test_long_branches_that_differ_at_the_end_are_different_lanes(length: int) -> None:
    first, second = ("x" * (length - 1) + end for end in "ab")
    assert names.lane_name(first) != names.lane_name(second)


@pytest.mark.parametrize("branch", ["baseline", "Baseline", "BASELINE/", "none", "-baseline-"])
def test_no_branch_is_called_what_a_response_says_when_no_lane_answered(branch: str) -> None:
    assert names.lane_name(branch) not in names.RESERVED


@given(ANY_TEXT)
def test_a_branch_named_like_a_hashed_lane_is_not_that_lane(branch: str) -> None:
    lane = names.lane_name(branch)
    again = names.lane_name(lane)
    assert (again == lane) == (lane == branch)


@given(LABEL.filter(lambda label: "--" not in label))
def test_naming_a_lane_by_its_own_readable_name_changes_nothing(branch: str) -> None:
    lane = names.lane_name(branch)
    assert lane != branch or names.lane_name(lane) == lane


def test_the_same_branch_in_two_forks_and_in_the_repository_is_three_lanes() -> None:
    lanes = {names.lane_name("patch-1"), names.lane_name("patch-1", "ann"), names.lane_name("patch-1", "bob")}
    assert len(lanes) == 3


def test_a_forks_owner_is_the_same_in_any_case() -> None:
    assert names.lane_name("patch-1", "Ann") == names.lane_name("patch-1", "ann")


def test_an_owner_and_a_branch_cannot_be_split_another_way() -> None:
    assert names.lane_name("b-c", "a") != names.lane_name("c", "a-b")


def test_lane_names_are_the_same_in_every_version_of_laneway() -> None:
    """Written down, since a lane that changes its name would leave the old one behind."""
    assert names.lane_name("feature/a") == "feature-a-951d42d"
    assert names.lane_name("patch-1", "octo") == "octo-patch-1-03b7afa"
    assert names.derived("payment", "pr-42") == "payment--pr-42"
    assert names.derived("db", "pr-42") == "db-pr-42-911972b"


def test_twenty_thousand_branches_are_twenty_thousand_lanes() -> None:
    chance = random.Random(42)
    alphabet = string.ascii_letters + string.digits + "-/_.#éß日"
    branches = {"".join(chance.choices(alphabet, k=chance.randint(1, 100))) for _ in range(20_000)}
    assert len({names.lane_name(branch) for branch in branches}) == len(branches)


@given(st.sets(st.text("aA-/.", max_size=12), max_size=40))
def test_branches_that_look_alike_are_different_lanes(branches: set[str]) -> None:
    assert len({names.lane_name(branch) for branch in branches}) == len(branches)


def test_a_copy_is_called_after_what_it_copies_and_its_lane() -> None:
    assert names.derived("payment", "pr-42") == "payment--pr-42"


@given(LABEL, LABEL, st.sampled_from([names.LABEL_LIMIT, names.STATEFULSET_LIMIT]))
def test_every_copys_name_is_a_valid_label_within_its_limit(name: str, lane: str, limit: int) -> None:
    copy = names.derived(name, lane, limit)
    assert names.is_label(copy)
    assert len(copy) <= limit


def test_a_workload_with_dots_in_its_name_gets_a_label() -> None:
    assert names.is_label(names.derived("my.payment.v2", "pr-42"))


def test_the_hyphens_of_name_and_lane_cannot_be_confused() -> None:
    assert names.derived("a-b", "c") != names.derived("a", "b-c")


@given(st.sets(st.tuples(st.text("a-", min_size=1), st.text("a-", min_size=1)), max_size=40))
def test_different_copies_have_different_names(pairs: set[tuple[str, str]]) -> None:
    valid = [(name, lane) for name, lane in pairs if names.is_label(name) and names.is_label(lane)]
    assert len({names.derived(name, lane) for name, lane in valid}) == len(valid)


def test_all_copies_of_many_lanes_have_names_of_their_own() -> None:
    services = ["a", "b", "ab", "a-b", "a--b", "payment", "payment-worker", "x" * 63]
    lanes = [
        names.lane_name(f"{prefix}{number}")
        for prefix in ("a-", "b/", "A", "x" * 70)
        for number in range(500)
    ]
    pairs = [(service, lane) for service in services for lane in lanes]
    for limit in (names.LABEL_LIMIT, names.STATEFULSET_LIMIT):
        assert len({names.derived(service, lane, limit) for service, lane in pairs}) == len(pairs)


def test_a_cut_name_still_shows_service_and_lane() -> None:
    copy = names.derived("inventory-of-the-northern-warehouse", "feature-new-shelves-and-lamps", 52)
    assert copy.startswith("inventory")
    assert "-feature" in copy


def test_shards_are_those_that_the_router_computes() -> None:
    assert names.shard("a", 64) == 97 % 64
    assert names.shard("ab", 64) == (97 * 31 + 98) % 64
    assert names.shard("pr-42", 1) == 0


@given(LABEL, st.integers(1, 64))
def test_a_shard_is_one_of_those_there_are(lane: str, shards: int) -> None:
    assert 0 <= names.shard(lane, shards) < shards


def test_shards_are_used_evenly() -> None:
    counts = [0] * 16
    for number in range(3_200):
        counts[names.shard(f"pr-{number}", 16)] += 1
    assert max(counts) < 300
