"""What a mirror says about two commits: their merge base, the paths between, the last commit of a service.

Paths are what git calls them, as UTF-8; a byte that is none is written as `\\xNN`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise, repeat

from provisioner.chain.globs import Globs
from provisioner.git.errors import Damaged
from provisioner.git.process import Answer

Git = Callable[..., Answer]


@dataclass(frozen=True)
class _Commit:
    """A commit with the paths that differ from each parent that it differs from."""

    sha: str
    parents: int
    differences: list[list[str]] = field(default_factory=list)

    def touches(self, wanted: Globs) -> bool:
        """Whether it differs, as far as `wanted` goes, from every parent: a merge that took one side as it
        was touched nothing."""
        hits = sum(1 for paths in self.differences if any(wanted.decide(path) for path in paths))
        return hits >= max(1, self.parents)


# commits looked at in one go: nearly always the first one is it
_FIRST_PAGES = (1, 64)
_PAGE = 1000
_LOG = ("--literal-pathspecs", "log")


def present(git: Git, base: str, head: str) -> bool:
    """Whether both commits are there."""
    return git("rev-list", "--no-walk", "--quiet", "--end-of-options", base, head).status == 0


def merge_base(git: Git, base: str, head: str) -> str:
    """The best common ancestor, or empty when the histories are unrelated."""
    answer = git("merge-base", "--end-of-options", base, head)
    if answer.status == 1:
        return ""
    return _output(answer, "merge-base").decode().strip()


def before(git: Git, commit: str, head: str) -> str:
    """`commit` in full if `head` has it in its history, else the commit before `head`; empty where there is
    none."""
    known = _resolved(git, commit) if commit else ""
    if known and git("merge-base", "--is-ancestor", known, head).status == 0:
        return known
    return _resolved(git, f"{head}^")


def _resolved(git: Git, name: str) -> str:
    answer = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return answer.output.decode().strip() if answer.status == 0 else ""


def paths(git: Git, ancestor: str, head: str) -> tuple[str, ...]:
    """Every path that differs between the two, sorted; without an ancestor every path of `head`.

    Renames are not looked for, so each gives the old and the new path, whatever the number of files.
    """
    if ancestor:
        command = ["diff-tree", "-r", "--no-renames", "--name-only", "-z", ancestor, head, "--"]
    else:
        command = ["ls-tree", "-r", "--name-only", "--full-tree", "-z", head]
    output = _output(git(*command), command[0])
    return tuple(sorted(_decode(path) for path in output.split(b"\0") if path))


def last_commit(git: Git, head: str, wanted: Globs) -> str:
    """The last commit in the history of `head` that touched a path that `wanted` lets in; empty for none.

    git narrows the history down to the globs' folders, simplified as `git log -- FOLDER` shows it, and the
    globs decide.
    """
    seen = 0
    for count in chain(_FIRST_PAGES, repeat(_PAGE)):
        page = _history(git, head, wanted.folders, seen, count)
        for commit in _touching(git, page, wanted.folders):
            if commit.touches(wanted):
                return commit.sha
        seen += len(page)
        if len(page) < count:
            break
    return ""


def _history(git: Git, head: str, folders: tuple[str, ...], skip: int, count: int) -> list[str]:
    """Asked without diffs, since those of merges would make git leave its simplification."""
    page = (f"--skip={skip}", f"--max-count={count}")
    return _output(git(*_LOG, "--format=%H", *page, head, "--", *folders), "log").decode().split()


def _touching(git: Git, shas: Sequence[str], folders: tuple[str, ...]) -> list[_Commit]:
    """These commits with their differences, in the same order."""
    if not shas:
        return []
    shape = ("--format=%x00%H %P", "--name-only", "--no-renames", "-z", "--root", "--diff-merges=separate")
    return _commits(_output(git(*_LOG, "--no-walk=unsorted", *shape, *shas, "--", *folders), "log"))


def _commits(output: bytes) -> list[_Commit]:
    """Reads `git log -z`: an empty field, `SHA PARENT...`, then the paths, once for each parent that differs;
    the first path has a newline before it."""
    found: dict[str, _Commit] = {}
    paths: list[str] = []
    fields = output.split(b"\0")
    for before, part in pairwise((b"", *fields)):
        if part and not before:
            sha, *parents = part.decode().split()
            paths = []
            found.setdefault(sha, _Commit(sha, len(parents))).differences.append(paths)
        elif part:
            paths.append(_decode(part if paths else part.removeprefix(b"\n")))
    return list(found.values())


def _output(answer: Answer, command: str) -> bytes:
    if answer.status:
        raise Damaged(f"git {command} failed on the mirror: {answer.words}")
    return answer.output


def _decode(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
