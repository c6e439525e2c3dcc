"""Keeps the logs of an embedded system small, however long it stays up."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

LIMIT = 10_000_000  # bytes of a log, and of the older part that is kept beside it


def rotate(log: Path, limit: int = LIMIT) -> bool:
    """Moves what a log holds to LOG.1 once it is longer than `limit`; whether it did. Its writers go on where
    they are: they append, so the file is copied and emptied. What they write in that moment is lost, and the
    older part where there is no room for it."""
    if not log.exists() or log.stat().st_size <= limit:
        return False
    older = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, older)
    except OSError:  # a full disk, which the log is not to fill further
        older.unlink(missing_ok=True)
    os.truncate(log, 0)
    return True
