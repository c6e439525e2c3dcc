from __future__ import annotations

from tests.support.nodeless import cluster, dev

__all__ = ["cluster", "dev"]
