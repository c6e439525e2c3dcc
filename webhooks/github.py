"""GitHub: (headers, body, secrets) to a ForgeEvent, without IO.

Which deliveries concern lanes, and what they become:

    pull_request opened, reopened, ready_for_review                  OPENED
                 synchronize, labeled, unlabeled, converted_to_draft,
                 edited with a changed base                          UPDATED
                 closed                                              CLOSED
    push         to a branch                                         PUSHED
                 that removed a branch                               DELETED
    create       of a branch (says no sha: `sha` is empty)           PUSHED
    delete       of a branch                                         DELETED
    ping                                                             Ping
    anything else                                                    Ignored, with the reason

`updated_at` of a pull request is GitHub's own. Pushes carry only commit times, which the pusher chooses, so
these events take the time of receipt.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from provisioner.events import ForgeEvent, Kind
from webhooks import signature
from webhooks.delivery import Ignored, Parsed, Ping
from webhooks.errors import DeliveryError, ShapeError, UnreadableError, UnsignedError
from webhooks.payload import Payload, decode

FORGE = "github"

_PULL_KINDS = {
    "opened": Kind.OPENED,
    "reopened": Kind.OPENED,
    "ready_for_review": Kind.OPENED,
    "synchronize": Kind.UPDATED,
    "labeled": Kind.UPDATED,
    "unlabeled": Kind.UPDATED,
    "converted_to_draft": Kind.UPDATED,
    "edited": Kind.UPDATED,
    "closed": Kind.CLOSED,
}
_DELIVERY = re.compile(r"[\x21-\x7e]{1,128}")
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_BRANCH = "refs/heads/"


def parse(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], received: datetime) -> Parsed:
    """What a delivery says. `headers` is case-insensitive, `received` the time of receipt.

    Raises UnsignedError before anything is read, DeliveryError for headers or a body that GitHub would not
    send.
    """
    _verify(headers, body, secrets)
    delivery = _header(headers, "x-github-delivery")
    event = _header(headers, "x-github-event")
    payload = decode(_unwrap(headers.get("content-type", ""), body))
    if event == "ping":
        return Ping(delivery)
    read = _READERS.get(event)
    if read is None:
        return Ignored(delivery, f"event {event} does not concern lanes")
    return read(payload, delivery, received)


def _verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> None:
    given = headers.get("x-hub-signature-256", "")
    if not given and "x-hub-signature" in headers:
        raise UnsignedError(
            "only a SHA-1 signature came with this delivery; Laneway wants X-Hub-Signature-256, "
            "which GitHub sends to every hook with a secret: is a proxy removing it?"
        )
    if not given:
        raise UnsignedError(
            "this delivery is not signed; set the hook's secret at GitHub to the one in "
            "LANEWAY_GITHUB_SECRETS"
        )
    scheme, _, digest = given.partition("=")
    if scheme != "sha256" or not signature.matches(digest, body, secrets):
        raise UnsignedError(
            "the signature does not match; the hook's secret at GitHub differs from LANEWAY_GITHUB_SECRETS, "
            "or the body was changed on its way"
        )


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not _DELIVERY.fullmatch(value):
        said = "is missing" if not value else "is not 1 to 128 printable characters"
        raise DeliveryError(f"header {name} {said}")
    return value


def _unwrap(content_type: str, body: bytes) -> bytes:
    """The JSON of a body; GitHub can also send it as the form field `payload`."""
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return body
    try:
        fields = parse_qs(body.decode(), strict_parsing=True, max_num_fields=16)
        return fields["payload"][0].encode()
    except (ValueError, KeyError) as error:
        raise UnreadableError("the body is a form without a field `payload`") from error


def _pull_request(payload: Payload, delivery: str, received: datetime) -> Parsed:
    action = payload.text("action")
    kind = _PULL_KINDS.get(action)
    if kind is None:
        return Ignored(delivery, f"pull_request {action} does not change a lane")
    if action == "edited" and not payload.has("changes.base"):
        return Ignored(delivery, "pull_request edited without a new base does not change a lane")
    return ForgeEvent(
        forge=FORGE,
        delivery=delivery,
        kind=kind,
        repository=payload.text("repository.full_name"),
        ref=_ref(payload.text("pull_request.head.ref"), "pull_request.head.ref"),
        sha=_sha(payload, "pull_request.head.sha"),
        updated_at=payload.time("pull_request.updated_at"),
        pull=payload.number("pull_request.number"),
        base=payload.text("pull_request.base.ref"),
        head_repository=_head_repository(payload),
        author=payload.text("pull_request.user.login", ""),
        title=payload.text("pull_request.title", ""),
        url=payload.text("pull_request.html_url", ""),
        labels=payload.names("pull_request.labels"),
        draft=payload.flag("pull_request.draft", default=False),
        merged=payload.flag("pull_request.merged", default=False),
    )


def _head_repository(payload: Payload) -> str:
    """Where the head lies. A deleted fork is null: its owner is still in the head's label, OWNER:BRANCH, and
    it must not pass for the repository itself."""
    if payload.has("pull_request.head.repo"):
        return payload.text("pull_request.head.repo.full_name")
    owner, colon, _ = payload.text("pull_request.head.label", "").partition(":")
    return f"{owner if colon and owner else 'ghost'}/(deleted)"


def _push(payload: Payload, delivery: str, received: datetime) -> Parsed:
    ref = payload.text("ref")
    if not ref.startswith(_BRANCH):
        return Ignored(delivery, "a push of something else than a branch does not change a lane")
    gone = payload.flag("deleted", default=False)
    return _branch(
        payload,
        delivery,
        received,
        kind=Kind.DELETED if gone else Kind.PUSHED,
        ref=_ref(ref.removeprefix(_BRANCH), "ref"),
        sha="" if gone else _sha(payload, "after"),
    )


def _create(payload: Payload, delivery: str, received: datetime) -> Parsed:
    return _named_branch(payload, delivery, received, Kind.PUSHED)


def _delete(payload: Payload, delivery: str, received: datetime) -> Parsed:
    return _named_branch(payload, delivery, received, Kind.DELETED)


def _named_branch(payload: Payload, delivery: str, received: datetime, kind: Kind) -> Parsed:
    if payload.text("ref_type") != "branch":
        return Ignored(delivery, f"a {payload.text('ref_type')} does not change a lane")
    ref = _ref(payload.text("ref").removeprefix(_BRANCH), "ref")
    return _branch(payload, delivery, received, kind=kind, ref=ref, sha="")


def _branch(
    payload: Payload, delivery: str, received: datetime, *, kind: Kind, ref: str, sha: str
) -> ForgeEvent:
    return ForgeEvent(
        forge=FORGE,
        delivery=delivery,
        kind=kind,
        repository=payload.text("repository.full_name"),
        ref=ref,
        sha=sha,
        updated_at=received,
        author=payload.text("sender.login", ""),
    )


def _ref(value: str, path: str) -> str:
    """Any text may be a branch's name here: it is data, and never reaches a shell or an option."""
    if not value:
        raise ShapeError(f"{path} names no branch")
    return value


def _sha(payload: Payload, path: str) -> str:
    value = payload.text(path)
    if not _SHA.fullmatch(value):
        raise ShapeError(f"{path} is not a commit's id of 40 or 64 hex digits")
    return value


_READERS = {"pull_request": _pull_request, "push": _push, "create": _create, "delete": _delete}
EVENTS = frozenset({"ping", *_READERS})
