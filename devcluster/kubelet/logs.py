"""Container logs: one file per attempt, read as `kubectl logs` asks.

A log is `FOLDER/ATTEMPT.log`, written by the shim in the CRI form `TIME STREAM F|P TEXT`; when it grew too
long its older part is `ATTEMPT.log.1`. The current and the previous attempt are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

POLL = 0.1  # seconds between looks at a followed file


@dataclass(frozen=True)
class LogOptions:
    """The query of `pods/log`. `since` is a time in the form of the log's own stamps, "" for all."""

    tail: int | None = None
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: str = ""
    limit: int | None = None  # bytes

    @classmethod
    def of(cls, query: dict[str, Any], now: datetime) -> LogOptions:
        """:raises ValueError: a number is none"""
        since = str(query.get("sinceTime") or "")
        if (seconds := query.get("sinceSeconds")) is not None:
            moment = now.astimezone(UTC) - timedelta(seconds=int(seconds))
            since = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        return cls(
            tail=None if tail is None else int(tail),
            follow=_true(query.get("follow")),
            previous=_true(query.get("previous")),
            timestamps=_true(query.get("timestamps")),
            since=since,
            limit=None if limit is None else int(limit),
        )


def _true(value: object) -> bool:
    return str(value).lower() in ("true", "1")


def file_of(folder: Path, attempt: int) -> Path:
    """Where an attempt's log goes; the folder is made, and logs before the previous attempt's are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if attempt_of(old) < attempt - 1:
            old.unlink()
    return folder / f"{attempt}.log"


def attempts(folder: Path) -> list[Path]:
    """The logs in a container's folder, the newest attempt's last."""
    return sorted(folder.glob("*.log"), key=attempt_of)


def attempt_of(path: Path) -> int:
    return int(path.name.split(".")[0])


async def read(path: Path, options: LogOptions, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log's text in chunks, as the options ask; follows it while `running()`."""
    left = options.limit
    async for line in _lines(path, options, running):
        text = _shown(line, options.timestamps)
        if left is not None:
            text = text[:left]
            left -= len(text)
        yield text
        if left == 0:
            return


async def _lines(path: Path, options: LogOptions, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        lines = (line for line in _stored(path, file) if line.decode(errors="replace") >= options.since)
        for line in deque(lines, options.tail) if options.tail is not None else lines:
            yield line
        if options.follow:
            async for line in _followed(path, file, running):
                yield line


def _stored(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    older = path.with_name(path.name + ".1")
    if older.exists():
        with older.open("rb") as rotated:
            yield from rotated
    yield from file


async def _followed(path: Path, file: IO[bytes], running: Callable[[], bool]) -> AsyncIterator[bytes]:
    partial = b""
    while True:
        alive = running()  # asked before reading, so that the last lines are not missed
        while chunk := file.readline():
            partial += chunk
            if partial.endswith(b"\n"):
                yield partial
                partial = b""
        if _moved(path, file):
            async for line in _lines(path, LogOptions(follow=True), running):
                yield line
            return
        if not alive:
            return
        await asyncio.sleep(POLL)


def _moved(path: Path, file: IO[bytes]) -> bool:
    """Whether the file became the older part and a new one was begun."""
    try:
        return path.stat().st_size < file.tell()
    except FileNotFoundError:
        return False


def _shown(line: bytes, timestamps: bool) -> bytes:
    stamp, _, tag, text = line.split(b" ", 3)
    if tag == b"P":
        text = text.removesuffix(b"\n")
    return stamp + b" " + text if timestamps else text
