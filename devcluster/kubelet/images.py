"""Images: what a container's `image` names and the folder that its command runs in.

Forms: `git+PATH_OR_URL@SHA#SUBDIR` is a commit of a git repository, checked out once and shared by all
containers that name it (treat it as read-only); `host` is an empty scratch folder, for programs that are
installed on this machine. There is no other form, and no registry.

Promises: a checkout appears whole or not at all; what cannot be had is an `ImageError` whose message says
why, and is looked for again at the next call.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FORMS = "an image here is git+PATH_OR_URL@SHA#SUBDIR or host"
SPARE = 30  # checkouts that no pod uses and that are kept, so that going back is quick
GIT_LIMIT = 300.0  # seconds for one git command; a first fetch of a large repository may take minutes
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class ImageError(Exception):
    """The image cannot be had; `reason` is the waiting reason that Kubernetes uses."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class GitImage:
    repository: str  # path or URL, as git takes it
    sha: str  # the full commit id
    subdir: str  # "" for the root


def parse(image: str) -> GitImage | None:
    """The commit that an image names; None for `host`.

    :raises ImageError: it has neither form; the message says what is wrong
    """
    if image == "host":
        return None
    if not image.startswith("git+"):
        raise ImageError(
            f'image "{image}": there is no registry in a devcluster; {FORMS}', "InvalidImageName"
        )
    location, _, subdir = image.removeprefix("git+").partition("#")
    repository, _, sha = location.rpartition("@")
    if not repository or repository.startswith("-"):
        raise ImageError(f'image "{image}": no repository; {FORMS}', "InvalidImageName")
    if not _SHA.fullmatch(sha):
        raise ImageError(f'image "{image}": "{sha}" is not a full commit id; {FORMS}', "InvalidImageName")
    path = PurePosixPath(subdir)
    if path.is_absolute() or ".." in path.parts:
        raise ImageError(f'image "{image}": "{subdir}" leaves the repository; {FORMS}', "InvalidImageName")
    return GitImage(repository, sha, "" if subdir == "." else subdir)


class ImageStore:
    """Checkouts under one folder: `mirrors/` (bare repositories) and `checkouts/` (one folder a commit)."""

    def __init__(self, folder: Path) -> None:
        self._mirrors = folder / "mirrors"
        self._checkouts = folder / "checkouts"
        self._locks: dict[str, asyncio.Lock] = {}

    def present(self, image: GitImage) -> Path | None:
        """The image's folder if the commit is checked out.

        :raises ImageError: the commit has no such folder
        """
        root = self._checkout(image)
        return _subfolder(root, image) if root.is_dir() else None

    async def pull(self, image: GitImage) -> Path:
        """The image's folder, checked out if it is not yet.

        :raises ImageError: the repository, the commit or the folder does not exist
        """
        key = hashlib.sha256(image.repository.encode()).hexdigest()[:20]
        async with self._locks.setdefault(key, asyncio.Lock()):
            root = self._checkout(image)
            if not root.is_dir():
                mirror = await self._fetch(image, self._mirrors / key)
                await self._export(image, mirror, root)
        return _subfolder(root, image)

    def spare(self, used: Iterable[str]) -> list[Path]:
        """The checkouts that may be removed: the oldest beyond `SPARE` that no image in `used` names."""
        if not self._checkouts.is_dir():
            return []
        found = [path for path in self._checkouts.iterdir() if path.is_dir()]
        if len(found) <= SPARE:
            return []
        kept = {self._checkout(image) for image in map(_git_image, used) if image is not None}
        unused = sorted((p for p in found if p not in kept), key=lambda p: p.stat().st_mtime, reverse=True)
        return unused[SPARE:]

    def _checkout(self, image: GitImage) -> Path:
        key = hashlib.sha256(f"{image.repository}@{image.sha}".encode()).hexdigest()[:32]
        return self._checkouts / key

    async def _fetch(self, image: GitImage, mirror: Path) -> Path:
        """A bare repository that has the commit."""
        await _git("init", "--quiet", "--bare", str(mirror))  # also completes one that was cut short
        if await self._has(mirror, image.sha):
            return mirror
        where = (
            "--git-dir",
            str(mirror),
            "fetch",
            "--quiet",
            "--no-tags",
            "--end-of-options",
            image.repository,
        )
        try:
            await _git(*where, image.sha)
        except ImageError:  # a server may refuse a commit by id that its refs reach
            await _git(*where, "+refs/*:refs/*")
        if not await self._has(mirror, image.sha):
            raise ImageError(f"{image.repository} has no commit {image.sha}: push it, it is looked for again")
        return mirror

    async def _has(self, mirror: Path, sha: str) -> bool:
        try:
            await _git("--git-dir", str(mirror), "cat-file", "-e", sha + "^{commit}")
        except ImageError:
            return False
        return True

    async def _export(self, image: GitImage, mirror: Path, root: Path) -> None:
        partial = root.with_name(root.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        index = partial.with_suffix(".index")
        tree = ("--git-dir", str(mirror), "--work-tree", str(partial))
        await _git(*tree, "read-tree", "--reset", "-u", image.sha, index=index)
        index.unlink(missing_ok=True)
        partial.rename(root)


def _git_image(image: str) -> GitImage | None:
    try:
        return parse(image)
    except ImageError:
        return None  # it has no checkout


def _subfolder(root: Path, image: GitImage) -> Path:
    folder = root / image.subdir
    if not folder.is_dir():
        raise ImageError(f"commit {image.sha} of {image.repository} has no folder {image.subdir}")
    return folder


async def _git(*arguments: str, index: Path | None = None) -> None:
    """Run git; its configuration is the user's, but it never asks.

    :raises ImageError: it failed; the message is git's
    """
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    env.pop("GIT_DIR", None)  # set when devcluster is started from a git hook
    if index is not None:
        env["GIT_INDEX_FILE"] = str(index)
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *arguments, env=env, stdin=null, stdout=null, stderr=pipe
        )
    except OSError as error:
        raise ImageError(f"git cannot be run: {error}") from error
    try:
        async with asyncio.timeout(GIT_LIMIT):
            _, output = await process.communicate()
    except TimeoutError as error:
        raise ImageError(f"git {arguments[-2]} {arguments[-1]}: no end after {GIT_LIMIT:.0f}s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        text = output.decode(errors="replace").strip() or f"exit status {process.returncode}"
        raise ImageError(f"git {arguments[-2]} {arguments[-1]}: {text}")
