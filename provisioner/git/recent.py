"""What was read of the newest heads. Commits never change, so an answer for the same two stays right: looking
at a lane again, as every change of its pods makes a worker do, then costs one `git ls-remote`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from provisioner.chain.model import Chain, Repository
from provisioner.changes import Source
from provisioner.git.mirror import Tips

Key = tuple[Chain, Repository, Tips]

_MOST_PATHS = 5000  # a larger change is read again, rather than kept


@dataclass(frozen=True)
class Recent:
    """The last `most` answers; threads may share it."""

    most: int = 256
    _kept: OrderedDict[Key, Source] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Source | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Key, source: Source) -> None:
        if len(source.paths) > _MOST_PATHS:
            return
        with self._lock:
            self._kept[key] = source
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
