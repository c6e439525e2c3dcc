"""A Lane as the cluster keeps it: what is written is what is read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner import durations
from provisioner.errors import InputError
from provisioner.lane.model import Lane, Member, Mode, moment, object_name, stamp

CRD = Path(__file__).parents[3] / "charts" / "laneway" / "crds" / "lanes.yaml"
MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))
MEMBERS = st.builds(
    Member,
    repository=st.sampled_from(["acme/shop", "acme/billing"]),
    ref=st.text(min_size=1),
    sha=st.text("0123456789abcdef", min_size=40, max_size=40),
    pull=st.integers(1, 10**6),
    observed_at=MOMENTS,
    base=st.sampled_from(["", "main"]),
    author=st.sampled_from(["", "ann"]),
    fork=st.sampled_from(["", "stranger"]),
    url=st.sampled_from(["", "https://example.com/pull/1"]),
)
LANES = st.builds(
    Lane,
    chain=st.just("shop"),
    name=st.just("pr-42"),
    members=st.lists(MEMBERS, max_size=3).map(tuple),
    mode=st.sampled_from(Mode),
    pinned=st.booleans(),
    ttl=st.none() | st.integers(0, 10**8).map(lambda seconds: timedelta(seconds=seconds)),
    approved=st.lists(st.text("0123456789abcdef", min_size=40, max_size=40), max_size=2).map(tuple),
)


def member(repository: str, pull: int, sha: str = "a") -> Member:
    return Member(repository, "feature/a", sha, pull, datetime(2026, 1, 1, tzinfo=UTC))


def stored(lane: Lane) -> dict[str, Any]:
    """The object as a cluster gives it back."""
    written = lane.to_object()
    added = {
        "uid": "u-1",
        "resourceVersion": "7",
        "generation": 2,
        "creationTimestamp": "2026-01-02T03:04:05Z",
    }
    return {**written, "metadata": {**written["metadata"], **added}}


@cache
def schema() -> dict[str, Any]:
    crd = yaml.safe_load(CRD.read_text())
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


@given(LANES)
def test_a_lane_that_was_written_reads_back(lane: Lane) -> None:
    read = Lane.from_object(stored(lane))
    assert read.spec() == lane.spec()
    assert (read.members, read.mode, read.pinned, read.ttl, read.approved) == (
        *(lane.members, lane.mode, lane.pinned, lane.ttl, lane.approved),
    )


def test_what_the_cluster_added_is_read_and_written_back_for_a_conditional_update() -> None:
    read = Lane.from_object(stored(Lane("shop", "pr-42")))
    assert (read.uid, read.resource_version, read.generation) == ("u-1", "7", 2)
    assert read.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    metadata = read.to_object()["metadata"]
    assert (metadata["uid"], metadata["resourceVersion"]) == ("u-1", "7")


def test_a_new_lane_is_written_without_a_version() -> None:
    assert Lane("shop", "pr-42").to_object()["metadata"].keys() == {"name", "labels"}


def test_the_object_is_named_after_chain_and_lane() -> None:
    assert Lane("shop", "pr-42").object_name == object_name("shop", "pr-42") == "shop.pr-42"


@given(LANES)
def test_the_spec_has_only_keys_that_the_schema_keeps(lane: Lane) -> None:
    properties = schema()["properties"]
    assert lane.spec().keys() <= properties.keys()
    known = properties["members"]["items"]["properties"].keys()
    assert all(one.keys() <= known for one in lane.spec()["members"])


@given(
    st.from_regex(
        re.compile(r"([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?", re.ASCII), fullmatch=True
    )
)
def test_every_ttl_that_the_schema_accepts_can_be_read(text: str) -> None:
    ttl = schema()["properties"]["ttl"]
    if len(text) >= ttl["minLength"]:
        assert re.search(ttl["pattern"], text)
        assert timedelta(0) <= durations.parse(text) < timedelta(days=3650)


@pytest.mark.parametrize("text", ["", "72", "-1h", "1w", "1.5h", "1h30", "ten years"])
def test_a_ttl_that_cannot_be_read_is_refused_by_the_schema(text: str) -> None:
    ttl = schema()["properties"]["ttl"]
    assert len(text) < ttl["minLength"] or not re.search(ttl["pattern"], text)
    with pytest.raises(InputError):
        durations.parse(text)


@given(MOMENTS)
def test_times_keep_their_microseconds(at: datetime) -> None:
    assert moment(stamp(at)) == at
    assert stamp(at).endswith("Z")


def test_times_as_kubernetes_writes_them_are_read() -> None:
    assert moment("2026-01-02T03:04:05Z") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_member_takes_the_place_of_the_same_pull_request() -> None:
    lane = Lane("shop", "pr-42").with_member(member("acme/shop", 7)).with_member(member("Acme/Shop", 7, "b"))
    assert [one.sha for one in lane.members] == ["b"]


def test_members_are_kept_in_order_so_that_equal_lanes_are_written_equally() -> None:
    one, two = member("acme/shop", 7), member("acme/billing", 7)
    lane = Lane("shop", "pr-42")
    assert lane.with_member(one).with_member(two) == lane.with_member(two).with_member(one)


def test_a_member_is_found_and_removed_by_its_key() -> None:
    lane = Lane("shop", "pr-42").with_member(member("acme/shop", 7))
    assert lane.member("acme/shop#7") == member("acme/shop", 7)
    assert lane.without_member("acme/shop#7").members == ()
    assert lane.member("acme/shop#8") is None


def test_the_phase_is_that_of_the_status() -> None:
    assert Lane("shop", "pr-42").phase == ""
    assert Lane("shop", "pr-42", status={"phase": "Ready"}).phase == "Ready"
