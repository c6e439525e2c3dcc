"""What a forge says when branches change, as data; pure.

A pull request is kept open for each branch that is ahead of main, as if its author had opened it at once. The
bodies have the shape of GitHub's webhook deliveries, with the fields that a receiver may rely on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

NOTHING = "0" * 40  # what git says for a branch that is not there
HEADS = "refs/heads/"
AUTHOR = "you"


@dataclass(frozen=True)
class Update:
    """One line of a post-receive hook: a branch went from `old` to `new`."""

    old: str
    new: str
    branch: str


@dataclass(frozen=True)
class Pull:
    number: int
    branch: str
    head: str
    open: bool = True
    merged: bool = False


@dataclass(frozen=True)
class Delivery:
    """One request to the receiver: the event's name and the body."""

    event: str
    body: Json

    @property
    def summary(self) -> str:
        """Such as `pull_request opened #1`."""
        number = f" #{self.body['number']}" if "number" in self.body else f" {self.body.get('ref', '')}"
        action = f" {self.body['action']}" if "action" in self.body else ""
        return f"{self.event}{action}{number}"


@dataclass(frozen=True)
class Repository:
    """What deliveries say of the repository, and what time they say it is."""

    full_name: str
    url: str
    main: str
    now: str  # ISO 8601, UTC


@dataclass(frozen=True)
class Forge:
    """The pull requests, oldest first, and what there is to say about the last change."""

    pulls: tuple[Pull, ...] = ()
    say: tuple[Delivery, ...] = field(default=())

    def open_for(self, branch: str) -> Pull | None:
        return next((one for one in self.pulls if one.open and one.branch == branch), None)

    def with_pull(self, pull: Pull, *deliveries: Delivery) -> Forge:
        others = tuple(one for one in self.pulls if one.number != pull.number)
        ordered = tuple(sorted((*others, pull), key=lambda one: one.number))
        return Forge(ordered, (*self.say, *deliveries))

    def saying(self, *deliveries: Delivery) -> Forge:
        return replace(self, say=(*self.say, *deliveries))


def parse(text: str) -> tuple[Update, ...]:
    """The branches that a post-receive hook's input names; tags and other refs are no branches.

    Raises ValueError for a line that is not `OLD NEW REF`.
    """
    updates = []
    for line in text.splitlines():
        parts = line.split(" ", 2)
        if len(parts) != 3:
            raise ValueError(f"not a line of a post-receive hook (OLD NEW REF): {line!r}")
        old, new, ref = parts
        if ref.startswith(HEADS):
            updates.append(Update(old, new, ref.removeprefix(HEADS)))
    return tuple(updates)


def receive(
    forge: Forge, updates: Iterable[Update], about: Repository, merged: Callable[[str], bool]
) -> Forge:
    """The forge after a push. `merged` says whether main contains a commit. Main comes first, so that a
    branch which is merged and removed by one push counts as merged."""
    for update in sorted(updates, key=lambda one: one.branch != about.main):
        if update.branch == about.main:
            forge = _main_moved(forge, update, about, merged)
        elif update.new == NOTHING:
            forge = _branch_removed(forge, update, about)
        else:
            forge = _branch_moved(forge, update, about, merged)
    return forge


def opened(forge: Forge, branch: str, head: str, about: Repository) -> Forge:
    """A pull request for a branch that has none."""
    pull = Pull(max((one.number for one in forge.pulls), default=0) + 1, branch, head)
    return forge.with_pull(pull, pull_request("opened", pull, about))


def closed(forge: Forge, pull: Pull, about: Repository, *, merged: bool) -> Forge:
    ended = replace(pull, open=False, merged=merged)
    return forge.with_pull(ended, pull_request("closed", ended, about))


def _main_moved(forge: Forge, update: Update, about: Repository, merged: Callable[[str], bool]) -> Forge:
    forge = forge.saying(push(update, about))
    for pull in forge.pulls:
        if pull.open and merged(pull.head):
            forge = closed(forge, pull, about, merged=True)
    return forge


def _branch_removed(forge: Forge, update: Update, about: Repository) -> Forge:
    pull = forge.open_for(update.branch)
    if pull:
        forge = closed(forge, pull, about, merged=False)
    return forge.saying(delete(update.branch, about))


def _branch_moved(forge: Forge, update: Update, about: Repository, merged: Callable[[str], bool]) -> Forge:
    pull = forge.open_for(update.branch)
    if pull:
        moved = replace(pull, head=update.new)
        forge = forge.with_pull(moved, pull_request("synchronize", moved, about))
    elif not merged(update.new):  # a forge opens none for a branch that is not ahead
        forge = opened(forge, update.branch, update.new, about)
    return forge.saying(push(update, about))


def pull_request(action: str, pull: Pull, about: Repository) -> Delivery:
    """A `pull_request` event."""
    repository = _repository(about)
    return Delivery(
        "pull_request",
        {
            "action": action,
            "number": pull.number,
            "pull_request": {
                "number": pull.number,
                "state": "open" if pull.open else "closed",
                "title": pull.branch,
                "html_url": f"https://forge.invalid/{about.full_name}/pull/{pull.number}",
                "user": {"login": AUTHOR},
                "draft": False,
                "labels": [],
                "merged": pull.merged,
                "updated_at": about.now,
                "head": {"ref": pull.branch, "sha": pull.head, "repo": repository},
                "base": {"ref": about.main, "repo": repository},
            },
            "repository": repository,
            "sender": {"login": AUTHOR},
        },
    )


def push(update: Update, about: Repository) -> Delivery:
    """A `push` event."""
    gone = update.new == NOTHING
    return Delivery(
        "push",
        {
            "ref": HEADS + update.branch,
            "before": update.old,
            "after": update.new,
            "created": update.old == NOTHING,
            "deleted": gone,
            "forced": False,
            "head_commit": None if gone else {"id": update.new, "timestamp": about.now},
            "repository": _repository(about),
            "pusher": {"name": AUTHOR},
            "sender": {"login": AUTHOR},
        },
    )


def delete(branch: str, about: Repository) -> Delivery:
    """A `delete` event for a branch."""
    return Delivery(
        "delete",
        {
            "ref": branch,
            "ref_type": "branch",
            "pusher_type": "user",
            "repository": _repository(about),
            "sender": {"login": AUTHOR},
        },
    )


def signed(delivery: Delivery, secret: str, identity: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of the request, signed as GitHub signs; `identity` is the delivery's id."""
    body = json.dumps(delivery.body).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/laneway-dev",
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Delivery": identity,
        "X-Hub-Signature-256": f"sha256={digest}",
    }
    return headers, body


def _repository(about: Repository) -> Json:
    owner, _, name = about.full_name.partition("/")
    return {
        "full_name": about.full_name,
        "name": name,
        "owner": {"login": owner},
        "clone_url": about.url,
        "html_url": f"https://forge.invalid/{about.full_name}",
        "default_branch": about.main,
        "fork": False,
    }
