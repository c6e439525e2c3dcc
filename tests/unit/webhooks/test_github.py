"""GitHub's deliveries, and what they become."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from provisioner.events import ForgeEvent, Kind
from tests.support.deliveries import SECRET, body, changed, headers, payload, sign, without
from webhooks import github
from webhooks.delivery import Ignored, Parsed, Ping
from webhooks.errors import DeliveryError, ShapeError, UnreadableError, UnsignedError

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"


def parse(event: str, data: dict[str, Any], **more: str) -> Parsed:
    raw = body(data)
    return github.parse(headers(event, raw, delivery="d-1") | more, raw, (SECRET,), NOW)


def event_of(event: str, data: dict[str, Any]) -> ForgeEvent:
    found = parse(event, data)
    assert isinstance(found, ForgeEvent)
    return found


def test_an_opened_pull_request_carries_everything_a_lane_needs() -> None:
    assert event_of("pull_request", payload("pull_request")) == ForgeEvent(
        forge="github",
        delivery="d-1",
        kind=Kind.OPENED,
        repository="acme/shop",
        ref="feature/euro",
        sha=SHA,
        updated_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        pull=7,
        base="main",
        head_repository="acme/shop",
        author="mona",
        title="Charge in euro",
        url="https://github.com/acme/shop/pull/7",
        labels=("preview",),
    )


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("opened", Kind.OPENED),
        ("reopened", Kind.OPENED),
        ("ready_for_review", Kind.OPENED),
        ("synchronize", Kind.UPDATED),
        ("labeled", Kind.UPDATED),
        ("unlabeled", Kind.UPDATED),
        ("converted_to_draft", Kind.UPDATED),
        ("closed", Kind.CLOSED),
    ],
)
def test_each_action_of_a_pull_request_has_its_kind(action: str, kind: Kind) -> None:
    assert event_of("pull_request", payload("pull_request", action=action)).kind is kind


def test_an_edit_counts_only_when_it_changed_the_base() -> None:
    edited = payload("pull_request", action="edited")
    title, base = {"title": {"from": "Old"}}, {"base": {"ref": {"from": "dev"}, "sha": {"from": SHA}}}
    assert isinstance(parse("pull_request", changed(edited, changes=title)), Ignored)
    assert event_of("pull_request", changed(edited, changes=base)).kind is Kind.UPDATED


def test_a_merge_is_told_from_a_close() -> None:
    merged = payload("pull_request", action="closed", pull_request__merged=True)
    assert event_of("pull_request", merged).merged
    assert not event_of("pull_request", payload("pull_request", action="closed")).merged


def test_a_fork_is_known_by_its_repository() -> None:
    data = payload("pull_request", pull_request__head__repo__full_name="eve/shop")
    assert event_of("pull_request", data).fork == "eve"


def test_a_deleted_fork_does_not_pass_for_the_repository_itself() -> None:
    data = payload(
        "pull_request", pull_request__head__repo=None, pull_request__head__label="eve:feature/euro"
    )
    assert event_of("pull_request", data).fork == "eve"
    assert event_of("pull_request", changed(data, pull_request__head__label=None)).fork == "ghost"


def test_a_push_takes_the_time_of_receipt_and_not_the_commit_s() -> None:
    event = event_of("push", payload("push"))
    assert (event.kind, event.ref, event.sha, event.updated_at) == (Kind.PUSHED, "feature/euro", SHA, NOW)


def test_a_push_that_removed_the_branch_is_its_end() -> None:
    event = event_of("push", payload("push", deleted=True, after="0" * 40))
    assert (event.kind, event.sha) == (Kind.DELETED, "")


@pytest.mark.parametrize(("name", "kind"), [("create", Kind.PUSHED), ("delete", Kind.DELETED)])
def test_branches_that_come_and_go_are_events(name: str, kind: Kind) -> None:
    event = event_of(name, payload(name))
    assert (event.kind, event.ref, event.updated_at) == (kind, "feature/euro", NOW)


@pytest.mark.parametrize(
    ("event", "data", "reason"),
    [
        ("star", {}, "event star"),
        ("pull_request", payload("pull_request", action="assigned"), "assigned"),
        ("push", payload("push", ref="refs/tags/v1"), "something else than a branch"),
        ("create", payload("create", ref_type="tag"), "a tag"),
        ("delete", payload("delete", ref_type="tag"), "a tag"),
    ],
)
def test_what_concerns_no_lane_is_ignored_with_the_reason(
    event: str, data: dict[str, Any], reason: str
) -> None:
    found = parse(event, data)
    assert isinstance(found, Ignored)
    assert reason in found.reason


def test_a_ping_is_a_ping() -> None:
    assert parse("ping", payload("ping")) == Ping("d-1")


def test_the_form_encoding_is_read_too_signed_over_the_raw_body() -> None:
    raw = urlencode({"payload": json.dumps(payload("push"))}).encode()
    form = headers("push", raw) | {"content-type": "application/x-www-form-urlencoded"}
    found = github.parse(form, raw, (SECRET,), NOW)
    assert isinstance(found, ForgeEvent)
    assert found.ref == "feature/euro"


def test_a_form_without_a_payload_says_so() -> None:
    raw = b"other=1"
    form = headers("push", raw) | {"content-type": "application/x-www-form-urlencoded"}
    with pytest.raises(UnreadableError, match="`payload`"):
        github.parse(form, raw, (SECRET,), NOW)


def test_either_of_two_secrets_is_taken_while_one_replaces_the_other() -> None:
    raw = body(payload("ping"))
    for secret in ("old " * 5, SECRET):
        given = headers("ping", raw, secret=secret)
        assert isinstance(github.parse(given, raw, ("old " * 5, SECRET), NOW), Ping)


def refused(raw: bytes, secrets: tuple[str, ...] = (SECRET,), **given: str) -> str:
    """What an unsigned delivery is told; no header may be read from the body first."""
    with pytest.raises(UnsignedError) as caught:
        github.parse({name.replace("_", "-"): value for name, value in given.items()}, raw, secrets, NOW)
    assert caught.value.status == 401
    return str(caught.value)


def test_a_delivery_without_a_signature_is_refused_before_it_is_read() -> None:
    assert "LANEWAY_GITHUB_SECRETS" in refused(b"not even JSON")


def test_a_sha1_signature_alone_is_refused_with_what_to_look_for() -> None:
    digest = hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()
    assert "SHA-1" in refused(b"{}", x_hub_signature=f"sha1={digest}")


@pytest.mark.parametrize(
    "given",
    [
        sign(b"{}", "another secret altogether"),
        sign(b"{} "),
        sign(b"{}").removeprefix("sha256="),
        sign(b"{}").replace("sha256", "sha512"),
        sign(b"{}")[:-1],
        "sha256=",
        "sha256=é" + "0" * 63,
        "x" * 10_000,
    ],
)
def test_a_signature_that_does_not_match_is_refused(given: str) -> None:
    assert "does not match" in refused(b"{}", x_hub_signature_256=given)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_verifies(secrets: tuple[str, ...]) -> None:
    assert refused(b"{}", secrets, x_hub_signature_256=sign(b"{}", ""))


@pytest.mark.parametrize("name", ["x-github-delivery", "x-github-event"])
@pytest.mark.parametrize("value", ["", "x" * 10_000, "with space", "line\nbreak"])
def test_a_header_that_github_would_not_send_is_named(name: str, value: str) -> None:
    with pytest.raises(DeliveryError, match=name):
        parse("push", payload("push"), **{name: value})


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"<html>"])
def test_what_is_not_json_is_told_so(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        github.parse(headers("push", raw), raw, (SECRET,), NOW)


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"7"])
def test_json_that_is_no_object_is_told_so(raw: bytes) -> None:
    with pytest.raises(ShapeError, match="not an object"):
        github.parse(headers("push", raw), raw, (SECRET,), NOW)


@pytest.mark.parametrize(
    "path",
    [
        "action",
        "repository__full_name",
        "pull_request__number",
        "pull_request__updated_at",
        "pull_request__head__ref",
        "pull_request__head__sha",
        "pull_request__base__ref",
    ],
)
def test_a_missing_field_is_named(path: str) -> None:
    with pytest.raises(ShapeError) as caught:
        parse("pull_request", without(payload("pull_request"), path))
    assert path.replace("__", ".") in str(caught.value)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("repository", "acme/shop"),
        ("repository__full_name", 7),
        ("pull_request__number", "7"),
        ("pull_request__number", True),
        ("pull_request__updated_at", "yesterday"),
        ("pull_request__head__ref", ""),
        ("pull_request__head__ref", "half \ud800 a pair"),
        ("pull_request__head__ref", "nul \0 inside"),
        ("pull_request__head__sha", "--upload-pack=/bin/sh"),
        ("pull_request__head__sha", SHA.upper()),
        ("pull_request__labels", ["preview"]),
        ("pull_request__labels", {"name": "preview"}),
        ("pull_request__draft", "no"),
    ],
)
def test_a_field_of_another_type_is_named(path: str, value: object) -> None:
    with pytest.raises(ShapeError, match=path.split("__")[0]):
        parse("pull_request", payload("pull_request", **{path: value}))


@pytest.mark.parametrize(
    "ref",
    [
        'it\'s "quoted"; rm -rf $HOME `id`',
        "../../etc/passwd",
        "--upload-pack=/bin/sh",
        "größe/日本/🚀",
        "line\nbreak",
        "...!!!---",
        "b" * 10_000,
        "refs/heads/main",
    ],
)
def test_any_text_may_be_a_branch_and_arrives_unchanged(ref: str) -> None:
    event = event_of("pull_request", payload("pull_request", pull_request__head__ref=ref))
    assert event.ref == ref
    assert ForgeEvent.from_json(json.loads(json.dumps(event.to_json()))) == event
    assert event_of("push", payload("push", ref=f"refs/heads/{ref}")).ref == ref
