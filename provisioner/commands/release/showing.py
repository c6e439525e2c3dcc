"""`laneway release status` and `laneway release list`: what there is, and how far it has got."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provisioner.commands.lanes import AsJson, ChainName
from provisioner.commands.release.arguments import ReleaseName, Watch

if TYPE_CHECKING:
    from provisioner.release.model import Release

Json = dict[str, Any]

OnlyChain = Annotated[str, typer.Argument(metavar="[CHAIN]", help="only the releases of this chain")]


def status(chain: ChainName, name: ReleaseName = "", watch: Watch = False, as_json: AsJson = False) -> None:
    """Tell how far a release has got, what it waits for, and how both versions do.

    Exit codes: 0 told, and with --watch succeeded; 1 an error, such as no release of that name, said on
    stderr, or with --watch taken back; 2 wrong usage.
    """
    from provisioner.commands import asking
    from provisioner.commands.release import watching, which

    if watch and as_json:
        raise typer.BadParameter("--watch draws and --json does not; give one of them", param_hint="--watch")
    cluster = asking.connect()
    found = which.shown(cluster, chain, name)
    if watch:
        raise typer.Exit(watching.until_over(cluster, found))
    if as_json:
        typer.echo(json.dumps(_to_json(found), indent=2))
    else:
        _show(found)


def listed(chain: OnlyChain = "", as_json: AsJson = False) -> None:
    """List the releases, the oldest first.

    Exit codes: 0 listed, also when there is none; 1 an error, said on stderr; 2 wrong usage.
    """
    from provisioner.commands import asking, tables
    from provisioner.release import store

    everything = store.every(asking.connect())
    found = [one for one in everything if chain in ("", one.chain)]
    if chain and everything and not found:
        raise asking.unknown("chain with releases", chain, (one.chain for one in everything))
    if as_json:
        typer.echo(json.dumps([_to_json(one) for one in found], indent=2))
    elif found:
        heading = ("CHAIN", "RELEASE", "PHASE", "REASON", "SHARE", "STEP", "AGE", "FROM")
        tables.show(heading, map(_row, found))
    else:
        typer.echo("there are no releases; start one: laneway release start CHAIN --lane LANE")


def _show(release: Release) -> None:
    import sys
    from datetime import UTC, datetime

    from rich.console import Console

    from provisioner.commands.release import picture

    size = None if sys.stdout.isatty() else 200
    console = Console(width=size, height=None if size is None else 100, highlight=False, emoji=False)
    console.print(picture.drawn(release, datetime.now(UTC), console))


def _to_json(release: Release) -> Json:
    return {**release.spec(), "status": dict(release.status)}


def _row(release: Release) -> tuple[str, ...]:
    from datetime import UTC, datetime

    from provisioner.commands.release import words

    told, steps = release.status, len(release.strategy.steps)
    age = words.span(datetime.now(UTC), release.created) if release.created else ""
    return (
        *(release.chain, release.name, release.phase.value, told.get("reason", "-")),
        *(f"{release.weight} %", f"{min(release.step + 1, steps)}/{steps}", age, release.origin),
    )
