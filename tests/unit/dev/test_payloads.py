"""What the stand-in forge says when branches change."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from devcluster.dev.payloads import (
    NOTHING,
    Delivery,
    Forge,
    Pull,
    Repository,
    Update,
    opened,
    parse,
    receive,
    signed,
)

ABOUT = Repository("laneway/shop", "/repos/shop.git", "main", "2026-01-02T03:04:05Z")
OLD, NEW, MAIN = "a" * 40, "b" * 40, "c" * 40


def after(forge: Forge, *updates: Update, merged: bool = False) -> Forge:
    return receive(Forge(forge.pulls), updates, ABOUT, lambda _: merged)


def said(forge: Forge) -> list[str]:
    return [one.summary for one in forge.say]


def test_a_hooks_lines_name_branches_and_leave_tags_out() -> None:
    text = f"{NOTHING} {NEW} refs/heads/feature/a b\n{OLD} {NEW} refs/tags/v1\n{OLD} {NOTHING} refs/heads/x\n"

    assert parse(text) == (Update(NOTHING, NEW, "feature/a b"), Update(OLD, NOTHING, "x"))


def test_a_line_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="OLD NEW REF"):
        parse("what is this\nnonsense")


def test_a_new_branch_opens_a_pull_request() -> None:
    forge = after(Forge(), Update(NOTHING, NEW, "fast"))

    assert said(forge) == ["pull_request opened #1", "push refs/heads/fast"]
    assert forge.pulls == (Pull(1, "fast", NEW),)


def test_a_push_to_a_branch_with_a_pull_request_updates_it() -> None:
    forge = after(Forge((Pull(1, "fast", OLD),)), Update(OLD, NEW, "fast"))

    assert said(forge) == ["pull_request synchronize #1", "push refs/heads/fast"]
    assert forge.pulls[0].head == NEW


def test_removing_a_branch_closes_its_pull_request_without_a_merge() -> None:
    forge = after(Forge((Pull(1, "fast", NEW),)), Update(NEW, NOTHING, "fast"))

    assert said(forge) == ["pull_request closed #1", "delete fast"]
    assert forge.say[0].body["pull_request"]["merged"] is False


def test_a_push_to_main_that_contains_a_branch_closes_it_as_merged() -> None:
    forge = after(Forge((Pull(1, "fast", NEW),)), Update(OLD, MAIN, "main"), merged=True)

    assert said(forge) == ["push refs/heads/main", "pull_request closed #1"]
    assert forge.say[1].body["pull_request"]["merged"] is True


def test_a_push_to_main_leaves_other_branches_open() -> None:
    forge = after(Forge((Pull(1, "fast", NEW),)), Update(OLD, MAIN, "main"), merged=False)

    assert said(forge) == ["push refs/heads/main"]
    assert forge.open_for("fast")


def test_merged_and_removed_by_one_push_counts_as_merged() -> None:
    updates = (Update(NEW, NOTHING, "fast"), Update(OLD, MAIN, "main"))

    forge = receive(Forge((Pull(1, "fast", NEW),)), updates, ABOUT, lambda sha: sha == NEW)

    assert said(forge) == ["push refs/heads/main", "pull_request closed #1", "delete fast"]
    assert forge.pulls[0].merged


def test_a_branch_that_comes_again_gets_a_pull_request_of_a_new_number() -> None:
    forge = after(Forge((Pull(1, "fast", OLD, open=False),)), Update(NOTHING, NEW, "fast"))

    assert said(forge)[0] == "pull_request opened #2"


def test_a_branch_that_is_not_ahead_of_main_opens_none() -> None:
    forge = after(Forge(), Update(NOTHING, MAIN, "same"), merged=True)

    assert said(forge) == ["push refs/heads/same"]
    assert forge.pulls == ()


def test_a_pull_request_event_has_what_a_receiver_relies_on() -> None:
    body = opened(Forge(), "fast", NEW, ABOUT).say[0].body

    assert body["pull_request"]["head"]["sha"] == NEW
    assert body["pull_request"]["head"]["repo"]["full_name"] == "laneway/shop"
    assert body["pull_request"]["base"]["ref"] == "main"
    assert body["pull_request"]["updated_at"] == ABOUT.now


def test_a_delivery_is_signed_over_its_very_bytes() -> None:
    headers, body = signed(Delivery("ping", {"zen": "ü"}), "secret", "1-2-3")

    digest = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={digest}"
    assert headers["X-GitHub-Delivery"] == "1-2-3"
    assert json.loads(body) == {"zen": "ü"}
