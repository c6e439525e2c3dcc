"""A forge and its git, as a model in memory: what people do there, what it says of that, and what is true.

It says everything once; what becomes of its deliveries on the way (late, twice, in another order) is up to
whoever passes them on. Times are whole seconds, as those of real forges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from provisioner import names
from provisioner.chain.model import Chain, Repository, Trigger
from provisioner.changes import Source
from provisioner.events import ForgeEvent, Kind
from provisioner.forges import ForgeError
from provisioner.git import BranchGone, Repositories
from provisioner.lane.model import Member
from tests.support.law import Truth
from tests.support.shop import Clock

FORK = "mallory/shop"
MAIN = "b" * 40


@dataclass(frozen=True)
class Branch:
    """A branch of a repository; that of a fork lies elsewhere, and is asked for by its pull request."""

    repository: str
    name: str
    fork: bool = False


@dataclass
class Pull:
    number: int
    branch: Branch
    open: bool = True
    labels: frozenset[str] = frozenset()
    base: str = "main"
    draft: bool = False
    said: ForgeEvent | None = None  # what the forge said of it last


@dataclass
class Forge:
    """Every deed takes a second and leaves what the forge says of it in `outbox`. A deed that is impossible
    at the moment, such as reopening what is open, is not done."""

    clock: Clock
    heads: dict[Branch, str] = field(default_factory=dict)
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict)  # sha -> what differs from main
    pulls: list[Pull] = field(default_factory=list)
    outbox: list[ForgeEvent] = field(default_factory=list)
    shas: count[int] = field(default_factory=lambda: count(1))

    # --- deeds --------------------------------------------------------------------------------------------

    def push(self, branch: Branch, paths: Sequence[str]) -> None:
        """New commits, or others in the place of the old: what the branch changes is what is given."""
        self.clock.step(1)
        known = branch in self.heads
        self.heads[branch] = sha = f"{next(self.shas):040x}"
        self.paths[sha] = tuple(sorted(paths))
        if not branch.fork:
            self._say(Kind.PUSHED, branch)
        for pull in self._open(branch) if known else ():
            self._tell(Kind.UPDATED, pull)

    def open(self, branch: Branch, labels: frozenset[str]) -> None:
        if branch in self.heads:
            self.clock.step(1)
            self.pulls.append(Pull(len(self.pulls) + 1, branch, labels=labels))
            self._tell(Kind.OPENED, self.pulls[-1])

    def close(self, branch: Branch, merged: bool) -> None:
        for pull in self._open(branch)[:1]:
            self.clock.step(1)
            pull.open = False
            self._tell(Kind.CLOSED, pull, merged=merged)

    def reopen(self, branch: Branch) -> None:
        closed = [pull for pull in self.pulls if pull.branch == branch and not pull.open]
        if closed and branch in self.heads:
            self.clock.step(1)
            closed[-1].open = True
            self._tell(Kind.OPENED, closed[-1])

    def edit(self, branch: Branch, changes: Mapping[str, object]) -> None:
        """Another base, a draft or not, a label or none."""
        for pull in self._open(branch)[:1]:
            self.clock.step(1)
            vars(pull).update(changes)
            self._tell(Kind.UPDATED, pull)

    def delete(self, branch: Branch) -> None:
        """The end of a branch closes its pull requests."""
        if branch in self.heads:
            self.clock.step(1)
            del self.heads[branch]
            for pull in self._open(branch):
                pull.open = False
                self._tell(Kind.CLOSED, pull)
            if not branch.fork:
                self._say(Kind.DELETED, branch)

    # --- what is true -------------------------------------------------------------------------------------

    def truth(self, chain: Chain) -> Truth:
        """Which lanes there are to be. Nobody approves of forks here."""
        found: dict[str, dict[str, str]] = {}
        for pull in self.pulls:
            if pull.open and pull.branch in self.heads and not pull.branch.fork and _wanted(pull, chain):
                members = found.setdefault(names.lane_name(pull.branch.name), {})
                members[f"{pull.branch.repository}#{pull.number}"] = self.heads[pull.branch]
        return Truth(found)

    # --- what it says -------------------------------------------------------------------------------------

    def _open(self, branch: Branch) -> list[Pull]:
        return [pull for pull in self.pulls if pull.branch == branch and pull.open]

    def _tell(self, kind: Kind, pull: Pull, *, merged: bool = False) -> None:
        said = self._event(kind, pull.branch)
        about = {"pull": pull.number, "base": pull.base, "labels": tuple(sorted(pull.labels))}
        pull.said = replace(said, draft=pull.draft, merged=merged, **about)  # type: ignore[arg-type]
        self.outbox.append(pull.said)

    def _say(self, kind: Kind, branch: Branch) -> None:
        self.outbox.append(self._event(kind, branch))

    def _event(self, kind: Kind, branch: Branch) -> ForgeEvent:
        return ForgeEvent(
            forge="github",
            delivery=f"{len(self.outbox)}-{kind}-{self.clock.now.timestamp():.0f}",
            kind=kind,
            repository=branch.repository,
            ref=branch.name,
            sha=self.heads.get(branch, "0" * 40),
            updated_at=self.clock.now,
            head_repository=FORK if branch.fork else branch.repository,
        )


def received(event: ForgeEvent, at: datetime) -> ForgeEvent:
    """The event as the receiver reads it at a time: forges say of branches nothing of when."""
    return replace(event, updated_at=at) if event.kind in (Kind.PUSHED, Kind.DELETED) else event


def _wanted(pull: Pull, chain: Chain) -> bool:
    return chain.lifecycle.when is Trigger.OPENED or chain.lifecycle.label in pull.labels


class ModelHub:
    """What the forge answers whoever has a token. `down`: nothing, at the moment."""

    name = "github"

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self.down = False

    def serves(self, repository: Repository) -> bool:
        return True

    def pull(self, repository: str, number: int) -> ForgeEvent | None:
        return next((one for one in self._shown(repository) if one.pull == number), None)

    def open_pulls(self, repository: str) -> tuple[ForgeEvent, ...]:
        return tuple(one for one in self._shown(repository) if one.kind is not Kind.CLOSED)

    def _shown(self, repository: str) -> Iterator[ForgeEvent]:
        if self.down:
            raise ForgeError("it does not answer", where="the forge")
        for pull in self._forge.pulls:
            if pull.said is not None and pull.branch.repository == repository:
                kind = Kind.UPDATED if pull.open else Kind.CLOSED
                yield replace(pull.said, kind=kind, delivery="")


class ModelGit(Repositories):
    """What git would say of the forge's repositories. `down`: nothing, at the moment."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def read(self, chain: Chain, repository: Repository, member: Member, base: str = "") -> Source:
        branch = Branch(repository.name, member.ref, fork=bool(member.fork))
        head = self._forge.heads.get(branch)
        if head is None:
            raise BranchGone(f"branch {member.ref!r} does not exist any more", where=repository.name)
        return Source(member, repository, head, MAIN, self._forge.paths[head], {})

    def heads(self, repository: Repository) -> dict[str, str]:
        found = {
            branch.name: sha
            for branch, sha in self._forge.heads.items()
            if branch.repository == repository.name and not branch.fork
        }
        return {"main": MAIN, **found}
