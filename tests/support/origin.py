"""A real repository on the forge's side, written through `git fast-import`: any commit is one call."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

IDENTITY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


@dataclass(frozen=True)
class File:
    """What a path holds. Mode 160000 is a submodule, whose content is the sha of its commit."""

    content: str | bytes
    mode: str = "100644"


class Origin:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = itertools.count(1_700_000_000, 60)
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main")

    @property
    def url(self) -> str:
        return str(self.path)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **IDENTITY},
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def sha(self, branch: str) -> str:
        return self.git("rev-parse", "--verify", "--end-of-options", f"refs/heads/{branch}")

    def commit(
        self,
        branch: str,
        files: Mapping[str, str | bytes | File | None],
        *,
        parents: Sequence[str] | None = None,
    ) -> str:
        """A commit that writes `files` (None deletes one) at the head of `branch`; returns its sha. `parents`
        are shas: the branch's own head unless given, none for a history of its own, several for a merge."""
        ref = f"refs/heads/{branch}"
        if parents is None:
            known = self.git("for-each-ref", "--format=%(objectname)", ref)
            parents = [known] if known else []
        stream = [b"reset %s\n" % ref.encode(), b"commit %s\n" % ref.encode()]
        stream += [b"committer Ada <ada@example.com> %d +0000\n" % next(self._clock), _data(b"change")]
        stream += [
            b"%s %s\n" % (word.encode(), sha.encode())
            for word, sha in zip(itertools.chain(["from"], itertools.repeat("merge")), parents, strict=False)
        ]
        stream += [_change(path, content) for path, content in files.items()]
        self.git("fast-import", "--quiet", "--force", stdin=b"".join(stream))
        return self.sha(branch)

    def branch(self, name: str, files: Mapping[str, str | bytes | File | None], *, at: str = "main") -> str:
        """A new branch, one commit ahead of `at`."""
        return self.commit(name, files, parents=[self.sha(at)])

    def delete(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")


def _change(path: str, content: str | bytes | File | None) -> bytes:
    name = _quoted(path)
    if content is None:
        return b"D %s\n" % name
    file = content if isinstance(content, File) else File(content)
    body = file.content if isinstance(file.content, bytes) else file.content.encode()
    if file.mode == "160000":
        return b"M 160000 %s %s\n" % (body, name)
    return b"M %s inline %s\n%s" % (file.mode.encode(), name, _data(body))


def _data(body: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(body), body)


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it whatever is in it: every byte as an octal escape."""
    raw = path.encode(errors="surrogateescape")
    return b'"' + b"".join(b"\\%03o" % byte for byte in raw) + b'"'
