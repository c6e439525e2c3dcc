"""The chain files of a running process: loaded at start, read again when they change.

A wrong new file never takes a working chain away: the chains of before stay, and `problem` says what is
wrong until the file is mended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from provisioner.chain.model import Chain
from provisioner.errors import ConfigError, LanewayError, PermanentError

Load = Callable[[Path], tuple[Chain, ...]]
Stamp = tuple[tuple[str, int, int], ...]

LOOK_SECONDS = 2.0  # how often the files' times are looked at, at most

log = structlog.get_logger()


class ChainBook:
    """Safe to share between threads. Raises ConfigError when the files cannot be read at the start."""

    def __init__(self, path: Path, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._load, self._clock = path, load, clock
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._looked = clock()
        self._chains = {chain.name: chain for chain in load(path)}
        self.problem: LanewayError | None = None

    def chains(self) -> Mapping[str, Chain]:
        """The chains by name, as their files say now or said last without a mistake."""
        with self._lock:
            if self._clock() - self._looked >= LOOK_SECONDS:
                self._looked = self._clock()
                self._refresh()
            return self._chains

    def check(self) -> None:
        """Raises what is wrong with the files as they are now, although the last good ones are in use."""
        self.chains()
        if self.problem is not None:
            raise self.problem

    def get(self, name: str) -> Chain:
        """The chain of that name; PermanentError when no file describes one."""
        try:
            return self.chains()[name]
        except KeyError:
            raise PermanentError(
                f"no chain file describes a chain {name!r}", where=str(self._path), reason="UnknownChain"
            ) from None

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._chains = {chain.name: chain for chain in self._load(self._path)}
            self.problem = None
            log.info("chains.loaded", chains=sorted(self._chains))
        except ConfigError as error:
            self.problem = error
            log.warning("chains.refused", error=str(error), kept=sorted(self._chains))


def _stamp(path: Path) -> Stamp:
    """What changes when a file does; a file that vanishes meanwhile counts as absent."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple(stamp for file in files if (stamp := _times(file)))


def _times(file: Path) -> tuple[str, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return file.name, found.st_mtime_ns, found.st_size
