"""The columns of the built-in kinds."""

from __future__ import annotations

from devcluster.tables import Columns

COLUMNS: dict[str, Columns] = {}
