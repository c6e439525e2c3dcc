"""Locks that many processes share: flock on a file, which ends with whoever holds it.

A mirror has two. `use` is shared by everybody who reads or fetches and exclusive for whoever removes the
mirror; `fetch` is exclusive among those who fetch. A git that outlives its killed worker inherits the lock
and so keeps it until it ends: nobody writes beside it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import GitError

_POLL_SECONDS = 0.01


@contextmanager
def held(path: Path, *, shared: bool = False, timeout: float) -> Iterator[int]:
    """Holds the lock at `path`; gives its file descriptor.

    Raises GitError when others held it for `timeout` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, kind: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise GitError(
                    f"another process has held {path.name} for {timeout:g} s", reason="MirrorBusy"
                ) from error
            time.sleep(_POLL_SECONDS)
