"""`laneway routes`: who answers each lane at each service of a chain."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from provisioner.commands.lanes import AsJson, ChainName

OnlyLane = Annotated[str, typer.Argument(metavar="[LANE]", help="only this lane")]


def routes(chain: ChainName, lane: OnlyLane = "", as_json: AsJson = False) -> None:
    """Show the table of a chain's lanes by its services: who answers where.

    Told from the cluster's live objects, as `laneway explain` does for one request: `own` is the lane's copy,
    another lane's name a copy that it has from that lane, `none` an error, `-` a Service that is not there.
    Exit codes: 0 shown, also when there is no lane; 1 an error, said on stderr; 2 wrong usage.
    """
    from provisioner import settings
    from provisioner.commands import asking, tables
    from provisioner.routing.explain import asked, gather

    found = asking.chain(settings.load(), chain)
    live = gather.live(found, asking.connect())
    names = sorted(one["spec"]["lane"] for one in live.of("Lane"))
    if lane and lane not in names:
        raise asking.unknown("lane", lane, names, f"chain {chain}")
    table = asked.table(found, live, [one for one in names if lane in ("", one)])
    if as_json:
        typer.echo(json.dumps(table, indent=2))
    elif table:
        heading = ("LANE", *(one.name for one in found.services))
        tables.show(heading, (_row(name, whos) for name, whos in table.items()))
    else:
        typer.echo("there are no lanes; a pull request opens one")


def _row(lane: str, whos: dict[str, str]) -> tuple[str, ...]:
    return (lane, *("own" if who == lane else who or "-" for who in whos.values()))
