"""How the story is told: what is done, what came back, and a mark only for what held."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

INDENT = " " * 5
FIXED = "\N{NO-BREAK SPACE}"  # while lines are broken


class StepFailed(Exception):
    """Something that the story promises did not hold."""

    def __init__(self, what: str, expected: object, actual: object) -> None:
        super().__init__(f"{what}: expected {expected}, got {actual}")
        self.what = what
        self.expected = expected
        self.actual = actual


class Tell:
    """Prints the story. Colours only on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)

    def say(self, text: str = "") -> None:
        """A sentence of the story; rich's markup works."""
        self.console.print(text)

    def done(self, command: str) -> None:
        """A command or a request as it was made."""
        self.console.print(f"   [cyan]$ {escape(command)}[/]")

    def came(self, lines: str | Iterable[str]) -> None:
        """What came back."""
        for line in [lines] if isinstance(lines, str) else lines:
            self.console.print(f"{INDENT}{escape(line)}")

    def went(self, parts: Iterable[str]) -> None:
        """What came back, in parts that are not broken where a line ends."""
        width = self.console.width if self.console.is_terminal else sys.maxsize
        lines = textwrap.wrap(
            " ".join(part.replace(" ", FIXED) for part in parts),
            max(width - len(INDENT), 40),
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.came(line.replace(FIXED, " ") for line in lines)

    def rows(self, rows: Sequence[Sequence[str]]) -> None:
        """What came back, as a table."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self.came(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def holds(self, text: str) -> None:
        """A claim that was checked."""
        self.console.print(f"   [green]✓[/] {escape(text)}")

    @contextmanager
    def step(self, letter: str, title: str) -> Iterator[None]:
        """One step, with its elapsed time."""
        self.console.print(f"\n[bold]{letter}. {escape(title)}[/]")
        began = time.monotonic()
        try:
            yield
        except StepFailed as failure:
            self._failed(failure, time.monotonic() - began)
            raise
        self.console.print(f"   [dim]{time.monotonic() - began:.2f} s[/]")

    def _failed(self, failure: StepFailed, seconds: float) -> None:
        self.console.print(f"   [red]✗[/] {escape(failure.what)} [dim]({seconds:.2f} s)[/]")
        self.console.print(f"     expected: {escape(str(failure.expected))}")
        self.console.print(f"     actual:   {escape(str(failure.actual))}")


def expect(what: str, actual: object, expected: object) -> None:
    """Raises StepFailed unless both are equal."""
    if actual != expected:
        raise StepFailed(what, expected, actual)
