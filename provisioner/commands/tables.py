"""Tables on a terminal, and in a file or pipe, where no line is ever broken."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

_UNBROKEN = 10_000  # columns


def show(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows in columns; on a terminal the last column is wrapped where it is too long."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(heading):
        table.add_column(name, no_wrap=place < len(heading) - 1, overflow="fold")
    for row in rows:
        table.add_row(*row)
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _UNBROKEN, markup=False, highlight=False, emoji=False)
    console.print(table, soft_wrap=not terminal)
