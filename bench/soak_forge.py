"""People at work on many branches of one repository, and what is true of their pull requests meanwhile.

Git is real; the forge is this: it remembers which pull requests are open and says so in deliveries, each once
and in order. What becomes of them on the way is the post's doing.

A branch's deeds are further apart than the second in which forges count. When a branch ends and no `closed`
is said of its pull request, nothing happens to it until `settled` says that the end was noticed: deliveries
about branches carry no time, so that of an end which comes when the branch is there again says nothing.
"""

from __future__ import annotations

import random
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from bench.soak_shop import SERVICES
from devcluster.dev import payloads
from devcluster.dev.payloads import Delivery, Pull, Repository, Update
from devcluster.dev.repository import git, head

Say = Callable[[Delivery, bool], None]  # a delivery, and whether it must keep its place in time
APART = 1.2  # seconds between two deeds at one branch


@dataclass
class Branch:
    """`version` is what the services say that it changes (`changes`); `chance` decides about its deeds."""

    name: str
    chance: random.Random
    pull: Pull | None = None
    head: str = ""
    version: str = ""
    changes: tuple[str, ...] = ()
    gone: datetime | None = None  # when it ended without a `closed`


@dataclass
class Forge:
    """Deeds come from one thread; `truth` may be asked by any. The same `seed` makes the same histories."""

    bare: Path
    full_name: str
    main: str
    seed: int
    say: Say
    settled: Callable[[str, datetime], bool]  # whether a branch's end at that time, or later, was noticed
    done: Counter[str] = field(default_factory=Counter)
    branches: dict[str, Branch] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=lambda: count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def truth(self) -> dict[str, Branch]:
        """The branches with an open pull request, by name."""
        with self.lock:
            return {name: one for name, one in self.branches.items() if one.pull and one.pull.open}

    def key(self, branch: Branch) -> str:
        """The key of the member that a branch's pull request is."""
        return f"{self.full_name}#{branch.pull.number if branch.pull else 0}"

    def history(self, name: str) -> Iterator[float]:
        """One pull request from its branch's first push on; yields the seconds until the next deed."""
        branch = self._branch(name)
        yield from self._ended(branch)
        self._push(branch)
        yield APART
        self._open(branch)
        for _ in range(branch.chance.randint(0, 4)):
            yield _pause(branch)
            yield from self._deed(branch)
        yield _pause(branch)
        yield from self._last(branch)
        self.done["histories"] += 1

    def _branch(self, name: str) -> Branch:
        with self.lock:
            return self.branches.setdefault(name, Branch(name, random.Random(f"{self.seed}/{name}")))

    def _ended(self, branch: Branch) -> Iterator[float]:
        """The earlier history's pull request is out of the way."""
        if branch.pull and branch.pull.open:
            self._close(branch)
            yield APART
        while branch.gone and not self.settled(branch.name, branch.gone):
            yield APART
        branch.gone = None

    def _deed(self, branch: Branch) -> Iterator[float]:
        if branch.chance.random() < 0.7:
            self._push(branch)
            return
        self._close(branch)
        yield _pause(branch)
        if branch.chance.random() < 0.4:  # pushed while it was closed
            self._push(branch)
            yield APART
        self._tell("reopened", branch, branch.head, is_open=True)

    def _last(self, branch: Branch) -> Iterator[float]:
        """Left open, closed, closed with the branch's end, or ended with the branch alone."""
        end = branch.chance.choices(("left", "closed", "deleted", "gone"), (2, 2, 4, 2))[0]
        self.done[f"ended: {end}"] += 1
        if end in ("closed", "deleted"):
            self._close(branch)
        if end == "deleted":
            yield APART
        if end in ("deleted", "gone"):
            self._delete(branch)

    # --- deeds --------------------------------------------------------------------------------------------

    def _push(self, branch: Branch) -> None:
        """New commits on top, or others in the place of the old ones."""
        old, forced = branch.head, bool(branch.head) and branch.chance.random() < 0.5
        number = self.done["pushes"] + self.done["force-pushes"]
        version = f"{branch.name}/{number}"
        keeps = () if forced or not old else branch.changes
        changes = tuple(sorted({*keeps, *branch.chance.sample(SERVICES, branch.chance.randint(1, 2))}))
        new = self._commit(branch, version, changes, parent=self.main if forced or not old else branch.name)
        self.done["force-pushes" if forced else "pushes"] += 1
        with self.lock:
            branch.head, branch.version, branch.changes = new, version, changes
        self.say(payloads.push(Update(old or payloads.NOTHING, new, branch.name), self._about()), False)
        if branch.pull and branch.pull.open:
            self._tell("synchronize", branch, new, is_open=True)

    def _commit(self, branch: Branch, version: str, changes: tuple[str, ...], parent: str) -> str:
        blob = _piped(self.bare, version, "hash-object", "-w", "--stdin")
        base = head(self.bare, parent)
        entries = "".join(f"M 100644 {blob} {service}/version\n" for service in changes)
        stream = (
            f"commit refs/heads/{branch.name}\ncommitter Soak <soak@example.invalid> "
            f"{int(datetime.now(UTC).timestamp())} +0000\ndata 1\n.\nfrom {base}\n{entries}\n"
        )
        _piped(self.bare, stream, "fast-import", "--quiet", "--force")
        return head(self.bare, branch.name)

    def _open(self, branch: Branch) -> None:
        self._tell("opened", branch, branch.head, is_open=True, number=next(self.numbers))

    def _close(self, branch: Branch) -> None:
        self._tell("closed", branch, branch.head, is_open=False)

    def _delete(self, branch: Branch) -> None:
        ended = datetime.now(UTC)
        git(self.bare, "update-ref", "-d", f"refs/heads/{branch.name}")
        self.done["branches deleted"] += 1
        with self.lock:
            unannounced = bool(branch.pull and branch.pull.open)
            old, branch.head = branch.head, ""
            branch.gone = ended if unannounced else None
            if branch.pull:
                branch.pull = Pull(branch.pull.number, branch.name, old, open=False)
        self.say(payloads.delete(branch.name, self._about()), unannounced)
        self.say(payloads.push(Update(old, payloads.NOTHING, branch.name), self._about()), False)

    def _tell(self, action: str, branch: Branch, sha: str, *, is_open: bool, number: int = 0) -> None:
        known = branch.pull.number if branch.pull else 0
        pull = Pull(number or known, branch.name, sha, open=is_open)
        self.done[action] += 1
        with self.lock:
            branch.pull = pull
        self.say(payloads.pull_request(action, pull, self._about()), False)

    def _about(self) -> Repository:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return Repository(self.full_name, str(self.bare), self.main, now)


def _pause(branch: Branch) -> float:
    return APART + branch.chance.expovariate(0.4)


def _piped(bare: Path, text: str, *arguments: str) -> str:
    """What a git command says that reads `text`."""
    done = subprocess.run(
        ["git", "-C", str(bare), *arguments], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
