"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.commands import change as commands_change
from provisioner.commands import lanes as commands_lanes

if TYPE_CHECKING:
    from provisioner.chain.model import Chain


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command()(check)
    app.command()(commands_lanes.lanes)
    app.command()(commands_lanes.status)
    app.command()(commands_change.approve)
    app.command()(commands_change.pin)
    app.command()(commands_change.unpin)


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="chain files, or folders of them")],
) -> None:
    """Read chain files and say everything that is wrong with them. Changes nothing, asks no cluster."""
    from provisioner.chain import folder as chains

    for line in _table(chains.load_all(files)):
        typer.echo(line)


def _table(found: tuple[Chain, ...]) -> list[str]:
    """What was read, a line for each chain, in columns."""
    rows = [("CHAIN", "SERVICES", "REPOSITORIES", "NAMESPACES", "DRIVER", "FILE"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _row(chain: Chain) -> tuple[str, ...]:
    repositories = ", ".join(repository.name for repository in chain.repositories)
    services, namespaces = str(len(chain.services)), ", ".join(chain.namespaces)
    return (chain.name, services, repositories, namespaces, chain.driver.value, chain.source)
