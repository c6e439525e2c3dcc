"""One bare copy of a repository, with commits and trees but no files' contents (where the server can filter).

It is fetched only when a wanted commit is not there yet, by one process at a time, and only the wanted
refs. What a killed fetch leaves behind is cleared by the next; a copy that git cannot read is `Damaged`,
and whoever meets that removes it and starts over."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from provisioner.errors import GitError
from provisioner.git import history
from provisioner.git.errors import Damaged
from provisioner.git.lock import held
from provisioner.git.process import Answer, Runner
from provisioner.git.refs import mirror_ref

log = structlog.get_logger()

REMOTE = "source"  # given in the environment, so that the url stands in no argument and no file
MOST_PACKS = 50  # every so many fetches the packs are put together
_GONE = "couldn't find remote ref"


@dataclass(frozen=True)
class Tips:
    """Two refs of a repository and where they are: the base branch and the member's head."""

    base_ref: str
    base: str
    head_ref: str
    head: str


def remote(url: str) -> dict[str, str]:
    """The environment that tells git of the remote `source`, which need not send files' contents."""
    settings = {"url": url, "promisor": "true", "partialCloneFilter": "blob:none"}
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment |= {
            f"GIT_CONFIG_KEY_{number}": f"remote.{REMOTE}.{key}",
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return environment


@dataclass(frozen=True)
class Mirror:
    """The copy of the repository at `url` below `root`. `credentials` is the environment that opens it."""

    root: Path
    url: str
    credentials: Mapping[str, str]
    runner: Runner

    @property
    def name(self) -> str:
        """A readable part and a hash: two repositories of the same name are two mirrors."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.url).name.removesuffix(".git")).strip("-")
        return f"{readable[:40]}-{hashlib.sha256(self.url.encode()).hexdigest()[:16]}"

    @property
    def folder(self) -> Path:
        return self.root / f"{self.name}.git"

    @contextmanager
    def used(self) -> Iterator[int]:
        """Holds the mirror against removal; other readers and one fetch may work beside."""
        path = self.root / f"{self.name}.use"
        with held(path, shared=True, timeout=self.runner.timeout) as descriptor:
            os.utime(descriptor)
            try:
                yield descriptor
            except Damaged as error:
                raise Damaged(error.message, copy=self._made()) from error

    def touch(self) -> None:
        """Notes that the mirror is wanted, so that it is not the one to make room."""
        try:
            os.utime(self.root / f"{self.name}.use")
        except FileNotFoundError:
            pass  # there is nothing to keep

    def remove(self, copy: int) -> None:
        """Removes the copy once nobody uses it, unless another process has made a new one meanwhile."""
        with held(self.root / f"{self.name}.use", timeout=self.runner.timeout):
            if self.folder.exists() and self._made() == copy:
                shutil.rmtree(self.folder)

    def _made(self) -> int:
        """When the copy was made, in nanoseconds: its config is written once. 0 without one."""
        try:
            return (self.folder / "config").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def local(self, *arguments: str) -> Answer:
        """git on this copy alone: it must not reach for the network by itself."""
        return self.runner(*self._in(), *arguments, environment={"GIT_ALLOW_PROTOCOL": "none"})

    def has(self, tips: Tips) -> bool:
        return history.present(self.local, tips.base, tips.head)

    def fetch(self, tips: Tips, use: int) -> Tips:
        """Gets both refs, unless another process has meanwhile; returns where they were. `use` is the
        descriptor of `used`.

        Raises Damaged, or GitError when the repository did not answer or the disk is full.
        """
        with held(self.root / f"{self.name}.fetch", timeout=self.runner.timeout) as lock:
            if self.has(tips):
                return tips
            self._prepare()
            before = self._packs()
            kept = {ref: mirror_ref(ref) for ref in (tips.base_ref, tips.head_ref)}
            self._check(self._get(kept, (use, lock)), tips)
            fetched = self._fetched(tips, kept)
            if self._packs() // MOST_PACKS > before // MOST_PACKS:
                self._tidy(set(kept.values()))
        return fetched

    def _packs(self) -> int:
        return sum(1 for _ in (self.folder / "objects/pack").glob("*.pack"))

    def _get(self, kept: Mapping[str, str], descriptors: tuple[int, ...]) -> Answer:
        options = ("--quiet", "--force", "--no-tags", "--no-auto-gc", "--no-write-fetch-head")
        return self.runner(
            *self._in(),
            "fetch",
            *options,
            "--filter=blob:none",
            "--end-of-options",
            REMOTE,
            *(f"+{theirs}:{ours}" for theirs, ours in kept.items()),
            environment={**remote(self.url), **self.credentials},
            keep=descriptors,
        )

    def _check(self, answer: Answer, tips: Tips) -> None:
        if answer.status == 0:
            return
        if _GONE in answer.words:
            raise GitError(f"{tips.head_ref} went away while it was fetched")
        if self._healthy():
            raise GitError(f"the fetch failed: {answer.words}")
        raise Damaged(f"the mirror {self.name} is damaged: {answer.words}")

    def _healthy(self) -> bool:
        """Whether everything that the copy says it has is there. The remote's settings say that files'
        contents may be missing."""
        answer = self.runner(
            *self._in(),
            "fsck",
            "--connectivity-only",
            "--no-dangling",
            environment={**remote(self.url), "GIT_ALLOW_PROTOCOL": "none"},
        )
        return answer.status == 0

    def _fetched(self, tips: Tips, kept: Mapping[str, str]) -> Tips:
        answer = self.local("for-each-ref", "--format=%(refname) %(objectname)", *kept.values())
        found = dict(line.split(" ") for line in answer.output.decode().splitlines())
        try:
            base, head = found[kept[tips.base_ref]], found[kept[tips.head_ref]]
        except KeyError as error:
            raise Damaged(f"the mirror {self.name} lost a ref that it has just fetched") from error
        return Tips(tips.base_ref, base, tips.head_ref, head)

    def _prepare(self) -> None:
        """An empty repository where there is none; and none of the files that a killed git leaves, which is
        safe because a git that still lives holds the lock."""
        if not (self.folder / "HEAD").exists():
            made = self.local("init", "--quiet", "--bare")
            if made.status:
                raise Damaged(f"the mirror {self.name} could not be made: {made.words}")
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*", "objects/pack/*.lock"):
            for left in self.folder.glob(pattern):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def _tidy(self, fresh: set[str]) -> None:
        """Puts many small packs together, and forgets the refs of branches that are not being worked on
        (their commits stay). A copy that cannot be tidied in time is as good as before, and is tried again
        after as many fetches."""
        try:
            for ref in self.local("for-each-ref", "--format=%(refname)").output.decode().splitlines():
                if ref not in fresh:
                    self.local("update-ref", "-d", ref)
            done = self.runner(*self._in(), "gc", "--quiet", environment=remote(self.url))
            words = done.words if done.status else ""
        except GitError as error:
            words = error.message
        if words:
            log.warning("git.tidying_failed", mirror=self.name, words=words)

    def _in(self) -> tuple[str, str]:
        return "--git-dir", str(self.folder)
