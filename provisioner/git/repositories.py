"""The repositories of the chains, as they are now.

Every question starts with `git ls-remote`, so that an answer is never older than the question. The branch's
head is the truth and a member's sha only a hint: when the two differ (a force-push, a later push, a git
server whose replica lags), the lane follows the head, and the delivery or the sweep that comes with the
next head moves it on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from provisioner.chain.globs import globs
from provisioner.chain.model import Chain, Repository
from provisioner.changes import Source, wanting_sha
from provisioner.errors import ConfigError, GitError
from provisioner.git import history
from provisioner.git.errors import AccessRefused, BranchGone, Damaged, EmptyRepository
from provisioner.git.home import Home, access
from provisioner.git.mirror import REMOTE, Mirror, Tips, remote
from provisioner.git.process import Runner
from provisioner.git.recent import Recent
from provisioner.git.refs import branch_ref, remote_ref
from provisioner.git.space import make_room
from provisioner.lane.model import Member

log = structlog.get_logger()

# what git says when the other side wants to know who asks, or does not like the answer
_REFUSED = re.compile(
    r"could not read (Username|Password)|Authentication failed|Permission denied|returned error: 40[13]"
)

_COMMIT = re.compile(r"[0-9a-f]{7,64}")

Credentials = Callable[[Repository], tuple[str, str] | None]


@dataclass(frozen=True)
class _Question:
    chain: Chain
    repository: Repository
    member: Member
    tips: Tips

    @property
    def base(self) -> str:
        return self.tips.base_ref.removeprefix("refs/heads/")


class Repositories:
    """Mirrors below `root`, together at most `max_bytes`; any number of processes may share the folder.
    Each git command, and each wait for a lock, takes at most `timeout` seconds. `credentials` gives user
    and token of a repository, or None."""

    def __init__(
        self, root: Path, *, max_bytes: int, timeout: float, credentials: Credentials | None = None
    ) -> None:
        self._home = Home(root.absolute())
        self._max_bytes = max_bytes
        self._credentials = credentials
        self._runner = Runner(self._home.config, timeout, self._home.environment())
        self._recent = Recent()

    def read(self, chain: Chain, repository: Repository, member: Member, base: str = "") -> Source:
        """What git says of `member` now, compared with the branch `base` if there is one, else with the
        repository's base branch.

        Raises BranchGone, EmptyRepository, ConfigError when the base branch does not exist, and GitError when
        the repository or the mirror folder cannot be used at the moment.
        """
        with self._spoken_of(repository):
            tips = self._tips(chain, repository, member, base)
            mirror = Mirror(self._home.root, *self._access(repository), self._runner)
            known = self._recent.get((chain, repository, tips))
            if known is not None:
                mirror.touch()
                return replace(known, member=member)
            return self._look(mirror, _Question(chain, repository, member, tips))

    def heads(self, repository: Repository) -> dict[str, str]:
        """The sha of every branch. Raises GitError."""
        with self._spoken_of(repository):
            found = self._ask(repository, "--heads", "--end-of-options", REMOTE)
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in found.items()}

    def since(self, chain: Chain, repository: Repository, commit: str) -> Source:
        """What the base branch has got since a commit of it, given by its id or the begin of that; since the
        commit before its head where it has no such commit. Raises as `read`."""
        member = Member(repository.name, repository.base, "", 0, datetime.min.replace(tzinfo=UTC))
        with self._spoken_of(repository):
            tips = self._tips(chain, repository, member, "")
            mirror = Mirror(self._home.root, *self._access(repository), self._runner)
            with mirror.used() as use:
                tips = tips if mirror.has(tips) else mirror.fetch(tips, use)
                known = commit if _COMMIT.fullmatch(commit) else ""
                ancestor = history.before(mirror.local, known, tips.head)
                return _source(mirror, _Question(chain, repository, member, tips), ancestor)

    def _look(self, mirror: Mirror, asked: _Question) -> Source:
        """The answer of the mirror, which is made anew, once, if it is damaged."""
        try:
            return self._answer(mirror, asked)
        except Damaged as error:
            log.warning("git.mirror_rebuilt", repository=asked.repository.name, cause=error.message)
            mirror.remove(error.copy)
            return self._answer(mirror, asked)

    def _answer(self, mirror: Mirror, asked: _Question) -> Source:
        with mirror.used() as use:
            fetched = not mirror.has(asked.tips)
            if fetched:
                asked = replace(asked, tips=mirror.fetch(asked.tips, use))
            source = _source(mirror, asked)
        self._recent.put((asked.chain, asked.repository, asked.tips), source)
        if fetched:
            make_room(self._home.root, self._max_bytes)
        return source

    def _tips(self, chain: Chain, repository: Repository, member: Member, other: str) -> Tips:
        base, head, above = branch_ref(repository.base), remote_ref(member), branch_ref(other)
        refs = [ref for ref in dict.fromkeys((base, head, above)) if ref]
        kind = [] if member.fork else ["--heads"]  # spares the list of all pull requests
        found = self._ask(repository, *kind, "--end-of-options", REMOTE, *refs)
        if base not in found:
            raise self._baseless(chain, repository)
        if head not in found:
            what = f"pull request {member.pull}" if member.fork else f"branch {member.ref[:200]!r}"
            raise BranchGone(f"{what} does not exist any more", where=repository.name)
        base = above if above in found else base
        return Tips(base, found[base], head, found[head])

    def _baseless(self, chain: Chain, repository: Repository) -> Exception:
        """An empty repository and a wrong base branch are two things to say."""
        if not self._ask(repository, "--heads", "--end-of-options", REMOTE):
            return EmptyRepository(
                "the repository has no branches; push its base branch", where=repository.name
            )
        place = chain.repositories.index(repository) if repository in chain.repositories else repository.name
        return ConfigError(
            f"{repository.name} has no branch {repository.base!r}; "
            "name the branch that lanes are compared with",
            where=f"{chain.source}: repositories[{place}].base",
        )

    def _ask(self, repository: Repository, *arguments: str) -> dict[str, str]:
        self._home.prepare()
        url, credentials = self._access(repository)
        nowhere = f"--git-dir={os.devnull}"  # so that a repository around the mirrors has no say
        command = (nowhere, "ls-remote", "--quiet", *arguments)
        answer = self._runner(*command, environment={**remote(url), **credentials})
        if answer.status:
            raise _refusal(repository, answer.words)
        lines = answer.output.decode(errors="surrogateescape").split("\n")  # a branch may hold other breaks
        return {ref: sha for sha, _, ref in (line.partition("\t") for line in lines if line)}

    def _access(self, repository: Repository) -> tuple[str, Mapping[str, str]]:
        return access(repository.url, self._credentials(repository) if self._credentials else None)

    @contextmanager
    def _spoken_of(self, repository: Repository) -> Iterator[None]:
        """Names the repository in errors, and makes one of what the mirrors' disk says."""
        try:
            yield
        except OSError as error:
            raise GitError(f"the mirror folder cannot be used: {error}", where=repository.name) from error
        except GitError as error:
            if error.where:
                raise
            raise type(error)(error.message, where=repository.name, reason=error.reason) from error


def _refusal(repository: Repository, words: str) -> GitError:
    if not _REFUSED.search(words):
        return GitError(f"the repository does not answer: {words}")
    told = f"the Secret {repository.credentials!r}" if repository.credentials else "no credentials"
    return AccessRefused(f"the repository refuses {told} (repositories[..].credentials): {words}")


def _source(mirror: Mirror, asked: _Question, ancestor: str | None = None) -> Source:
    git, tips = mirror.local, asked.tips
    ancestor = history.merge_base(git, tips.base, tips.head) if ancestor is None else ancestor
    paths = history.paths(git, ancestor, tips.head)
    source = Source(asked.member, asked.repository, tips.head, ancestor, paths, {}, asked.base)
    shas = {
        service.name: history.last_commit(git, tips.head, globs(service.paths))
        for service in wanting_sha(asked.chain, source)
    }
    return replace(source, service_shas={name: sha for name, sha in shas.items() if sha})
