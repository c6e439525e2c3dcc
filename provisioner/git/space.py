"""Keeps the mirrors within their bound: the one that was used longest ago goes first, none that is in use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import structlog

from provisioner.errors import GitError
from provisioner.git.lock import held

log = structlog.get_logger()


def make_room(root: Path, max_bytes: int) -> list[str]:
    """Removes mirrors until all together hold at most `max_bytes`; returns the names of those removed. A
    single mirror above the bound goes too, since nothing else can make it smaller."""
    sizes = {mirror: size(mirror) for mirror in root.glob("*.git")}
    excess = sum(sizes.values()) - max_bytes
    removed = []
    for mirror in sorted(sizes, key=_last_use):
        if excess <= 0:
            break
        if _remove(mirror):
            excess -= sizes[mirror]
            removed.append(mirror.stem)
            log.info("git.mirror_removed", mirror=mirror.stem, bytes=sizes[mirror], max_bytes=max_bytes)
    return removed


def size(folder: Path) -> int:
    """Bytes in all files below `folder`; files and folders that vanish meanwhile count nothing."""
    total = 0
    for where, _, files in os.walk(folder):
        for name in files:
            try:
                total += Path(where, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def _last_use(mirror: Path) -> float:
    try:
        return mirror.with_suffix(".use").stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove(mirror: Path) -> bool:
    try:
        with held(mirror.with_suffix(".use"), timeout=0):
            shutil.rmtree(mirror)
    except (GitError, FileNotFoundError):
        return False  # in use, or another process was faster
    return True
