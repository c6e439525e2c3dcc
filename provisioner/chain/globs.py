"""Path globs in gitignore's terms, over the paths that git prints. Pure.

`a/**` is everything below a, `a/*` what lies in a itself, `*.md` a name at any depth, `/x` only at the top,
`!a/docs/**` takes back what an earlier glob matched: the last glob that matches a path decides. Where
gitignore's effect comes from walking folders it differs: a path can be matched again below a folder that was
taken back, and `a/*` does not reach below a's folders. `?` is a character, not a byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pathspec import PathSpec
from pathspec.patterns.gitignore import GitIgnorePatternError


@dataclass(frozen=True)
class Match:
    """The first path that matched, the glob that decided it, and how many paths matched in all."""

    path: str
    glob: str
    count: int


class Globs:
    """Several globs that decide together. Raises ValueError, naming the glob, for one that is none."""

    def __init__(self, globs: Sequence[str]) -> None:
        for glob in globs:
            check(glob)
        self.globs = tuple(globs)
        self._spec = PathSpec.from_lines("gitignore", self.globs)
        self._prefixes = tuple(_prefix(glob) for glob in self.globs if not glob.startswith("!"))

    def decide(self, path: str) -> str:
        """The glob that lets `path` in, or empty."""
        if not path.startswith(self._prefixes):
            return ""  # the quick way out: most paths of a large change lie in nobody's folder
        # the dot of a regular expression stops at a newline, which a file's name may hold
        result = self._spec.check_file(path.replace("\n", "\r"))
        return self.globs[result.index] if result.include and result.index is not None else ""

    def first(self, paths: Iterable[str]) -> Match | None:
        """The first of `paths` that is let in, with the number of all that are."""
        found = [(path, glob) for path in paths if (glob := self.decide(path))]
        return Match(*found[0], len(found)) if found else None

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that together hold every path that can match; empty when that is the whole tree."""
        folders = {prefix.rpartition("/")[0] for prefix in self._prefixes}
        return () if "" in folders else tuple(sorted(folders))


@lru_cache(maxsize=1024)
def globs(patterns: tuple[str, ...]) -> Globs:
    """`Globs(patterns)`, made once for equal patterns."""
    return Globs(patterns)


def check(glob: str) -> None:
    """Raises ValueError that says what is wrong with `glob`."""
    if not glob.strip() or glob.startswith("#"):
        raise ValueError(f"{glob!r} is not a glob")
    try:
        PathSpec.from_lines("gitignore", [glob])
    except (GitIgnorePatternError, re.error) as error:
        raise ValueError(f"{glob!r} is not a glob: {error}") from error


def _prefix(glob: str) -> str:
    """What every path that `glob` matches starts with; empty when the glob may match at any depth."""
    if "/" not in glob.rstrip("/"):
        return ""
    whole = glob.removeprefix("/").rstrip()
    literal = re.split(r"[*?\[\\]", whole, maxsplit=1)[0]
    return literal.rstrip("/") if literal == whole else literal
