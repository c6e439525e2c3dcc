"""Which processes run: looked up by id, and told apart from a later process of the same id by start time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

SAME = 1.0  # seconds that two readings of one start time may differ
SOON = 5.0  # seconds in which a killed process must be gone


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, to the name of its program."""
    found: dict[int, str] = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                found[process.pid] = Path(process.exe()).name
    return found


def with_start(running: Mapping[str, Sequence[int]]) -> dict[str, list[tuple[int, float]]]:
    """Each process id with its start time (Unix time)."""
    named: dict[str, list[tuple[int, float]]] = {name: [] for name in running}
    for name, pids in running.items():
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                named[name].append((pid, psutil.Process(pid).create_time()))
    return named


def runs(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def alive(pids: Sequence[int]) -> list[int]:
    return [pid for pid in pids if runs(pid)]


def kill(pid: int, started: float) -> bool:
    """Ends the process that started then, if it still runs; False when it does not end."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) < SAME:
            process.kill()
            process.wait(SOON)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired:
        return False
    return True
