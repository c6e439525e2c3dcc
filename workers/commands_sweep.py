"""`laneway sweep`: by hand, or as a CronJob, what beat does every night."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provisioner.sweep.sweep import Report

DryRun = Annotated[bool, typer.Option("--dry-run", help="say what a real run would do, and do nothing")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
Confirm = Annotated[bool, typer.Option("--confirm", help="remove what the brake kept")]

HELD, STOPPED = 3, 4


def sweep(dry_run: DryRun = False, as_json: AsJson = False, confirm: Confirm = False) -> None:
    """Remove lanes without members or past their time and what lost its lane; have the others converge.

    Exit codes: 0 done; 1 an error, said on stderr; 2 wrong usage; 3 another sweep runs; 4 the brake is on:
    nothing was removed, look at what would go, then run it with --confirm.
    """
    from provisioner import logs, settings
    from provisioner.sweep.lease import HeldError
    from workers import assembly, sweeping
    from workers.fence import Fence

    logs.configure("sweep")
    context = assembly.context(settings.load())
    world = context.world(Fence(sweeping.SECONDS))
    try:
        report = sweeping.run(
            context.book.chains().values(), world, context.queue, dry_run=dry_run, confirm=confirm
        )
    except HeldError as error:
        typer.echo(f"laneway: {error.reason}: {error}", err=True)
        raise typer.Exit(HELD) from None
    _print(report, as_json)
    raise typer.Exit(STOPPED if report.brake else 0)


def _print(report: Report, as_json: bool) -> None:
    from provisioner.commands import tables

    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
        return
    if report.findings:
        heading = ("ACTION", "REASON", "CHAIN", "LANE", "SUBJECT", "MESSAGE")
        tables.show(heading, (tuple(one.to_json().values()) for one in report.findings))
        typer.echo()
    typer.echo(_conclusion(report))


def _conclusion(report: Report) -> str:
    looked = f"{report.lanes} lanes looked at"
    if report.brake:
        kept = f"the brake is on and nothing {'would be' if report.dry_run else 'was'} removed"
        return f"{looked}; {kept}: {report.brake}. If that is right: laneway sweep --confirm"
    if report.dry_run:
        return f"{looked}, {len(report.findings)} findings; nothing was written (--dry-run)"
    return f"{looked}, {len(report.findings)} findings; lanes that end close within seconds"
