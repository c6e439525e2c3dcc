"""The example's repository: a bare one that is made from a folder, and its hook."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MAIN = "main"
IDENTITY = {
    "GIT_AUTHOR_NAME": "Laneway",
    "GIT_AUTHOR_EMAIL": "laneway@example.invalid",
    "GIT_COMMITTER_NAME": "Laneway",
    "GIT_COMMITTER_EMAIL": "laneway@example.invalid",
}


class RepositoryError(Exception):
    """git could not do what it was told; the message holds its words."""


def make(bare: Path, source: Path) -> None:
    """A bare repository whose branch `main` holds the files of `source`, unless it exists already."""
    if (bare / "HEAD").exists():
        return
    bare.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bare.parent) as scratch:
        work, fresh = Path(scratch, "work"), Path(scratch, "bare.git")
        shutil.copytree(source, work, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        git(work, "init", "--quiet", f"--initial-branch={MAIN}")
        git(work, "add", "--all", "--force")
        git(work, "commit", "--quiet", "--message", f"Start {source.name}")
        git(Path(scratch), "clone", "--quiet", "--bare", str(work), str(fresh))
        fresh.rename(bare)


def head(bare: Path, branch: str = MAIN) -> str:
    """The commit that a branch is at."""
    return git(bare, "rev-parse", "--verify", f"refs/heads/{branch}")


def set_hook(bare: Path, state: Path, *, on: bool) -> None:
    """Lets the stand-in forge tell of every push to the repository, or no longer."""
    hook = bare / "hooks" / "post-receive"
    if not on:
        hook.unlink(missing_ok=True)
        return
    command = shlex.join([sys.executable, "-P", "-m", "devcluster.dev.forge", "--state", str(state), "hook"])
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n# tells the receiver of every push, as a forge would\nexec {command}\n")
    hook.chmod(0o755)


def git(folder: Path, *arguments: str) -> str:
    """What git says, without the last line end. Raises RepositoryError."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**mine, **IDENTITY, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull},
    )
    if done.returncode:
        raise RepositoryError(f"git {' '.join(arguments)} in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()
