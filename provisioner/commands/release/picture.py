"""What a release looks like on a terminal: one picture of its object. Pure but for rich's own drawing.

From top to bottom: what it is, its steps, its share, what is measured of both versions, its copies, what it
waits for, whom it warns of, what happened last, and what one can type next. The timeline gets the lines that
are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from provisioner.commands.release import words
from provisioner.release.model import Phase, Release

Json = dict[str, Any]

_LABEL = 9  # columns of what stands before each line
_BAR = 40  # columns of the share's bar at most
_STYLES = {
    Phase.SUCCEEDED: "bold green",
    Phase.PAUSED: "bold yellow",
    Phase.RESTORING: "bold red",
    Phase.ROLLING_BACK: "bold red",
    Phase.ROLLED_BACK: "bold red",
}
_MARKS = {
    "done": ("✓", "green"),
    "now": ("●", "bold cyan"),
    "failed": ("✗", "bold red"),
    "next": ("○", "dim"),
}
_LEAST = ("is", "beware")  # what is left out where there is no room
_OPINIONS = {"good": "green", "bad": "bold red", "inconclusive": "yellow"}


def drawn(release: Release, now: datetime, console: Console) -> Group:
    """The picture, no higher than the console as far as possible: of the timeline the newest entries that
    there is room for, and on a very small one not what matters least."""
    for brief in (False, True):
        upper, lower = list(_upper(release, now, console.width, brief=brief)), list(_lower(release))
        room = console.height - len(console.render_lines(Group(*upper, *lower))) - 2
        if room >= 0:
            break
    shown = (release.status.get("timeline") or ())[-max(1, room - 1) :] if room > 1 else ()
    return Group(*upper, *_timeline(shown), *lower)


def _upper(release: Release, now: datetime, width: int, *, brief: bool) -> Iterator[Text | Table]:
    yield _head(release)
    if not brief:
        yield Text(words.origin(release, now), style="dim")
    yield Text()
    yield _labelled("steps", _steps(release, width - _LABEL))
    yield _labelled("share", _share(release, width))
    if rows := (release.status.get("analysis") or {}).get("rows"):
        yield _measured(rows)
    for label, text, style in words.standing(release, now):
        if not (brief and label in _LEAST):
            yield _labelled(label, Text(text, style=style))


def _lower(release: Release) -> Iterator[Text | Table]:
    commands = words.commands(release)
    if commands:
        yield Text()
        yield _labelled("type", Text(commands, style="cyan"))


def _head(release: Release) -> Text:
    head = Text(f"release {release.name} of chain {release.chain}: ", style="bold")
    head.append(release.phase.value, style=_STYLES.get(release.phase, "bold cyan"))
    at = release.status.get("at", "")
    return head.append(f", step {at}") if at and not release.phase.over else head


def _steps(release: Release, width: int) -> Text:
    """As many to a line as there is room for, none of them broken."""
    line, used = Text(), 0
    for mark, text in words.steps(release):
        sign, style = _MARKS[mark]
        if used and used + len(text) + 4 > width:
            line, used = line.append("\n"), 0
        line.append("  " if used else "").append(f"{sign}\u00a0{text}", style=style)
        used += len(text) + 4
    return line


def _share(release: Release, width: int) -> Text:
    columns = max(10, min(_BAR, width - _LABEL - 20))
    full = round(columns * release.weight / 100)
    bar = Text("█" * full, style="green")
    bar.append("░" * (columns - full), style="dim")
    bar.append(f" {release.weight} %", style="bold")
    target = int(release.status.get("target", release.weight))
    return bar if target == release.weight else bar.append(f" → {target} %", style="dim")


def _measured(rows: Sequence[Json]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("figures", width=_LABEL - 2, no_wrap=True)
    for name in ("", "release", "baseline"):
        table.add_column(name, no_wrap=True)
    table.add_column("judged", overflow="fold")
    for row in sorted(rows, key=lambda one: one["metric"] != "requests"):
        judged = Text(words.judged(row), style=_OPINIONS.get(str(row.get("opinion", "")), "dim"))
        table.add_row("", *words.measured(row), judged)
    return table


def _timeline(entries: Sequence[Json]) -> Iterator[Text]:
    """A line each, cut off where it is too long."""
    widest = max((len(one["event"]) for one in entries), default=0)
    if entries:
        yield Text()
    for one in entries:
        line = Text(f"{words.clock(one['at'])}  ", style="dim", no_wrap=True, overflow="ellipsis")
        line.append(f"{one['event']:<{widest}}  {one['weight']:>3} %", style="not dim")
        yield line.append(f"  {one.get('message', '')}")


def _labelled(label: str, text: Text) -> Table:
    """A line with its label in front; what wraps stays behind the label."""
    table = Table.grid(padding=0)
    table.add_column(width=_LABEL, no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row(label, text)
    return table
