"""`laneway lanes` and `laneway status`: what there is, and why it is so."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from provisioner.lane.model import Lane

Json = dict[str, Any]

ChainName = Annotated[str, typer.Argument(metavar="CHAIN", help="the chain's name, as its file says")]
LaneName = Annotated[str, typer.Argument(metavar="LANE", help="the lane's name: what the header takes")]
OnlyChain = Annotated[str, typer.Argument(metavar="[CHAIN]", help="only the lanes of this chain")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def lanes(chain: OnlyChain = "", as_json: AsJson = False) -> None:
    """List the lanes.

    Exit codes: 0 listed, also when there is none; 1 an error, said on stderr; 2 wrong usage.
    """
    from provisioner.commands import asking, tables

    everything = asking.all_lanes(asking.connect())
    found = [one for one in everything if chain in ("", one.chain)]
    if chain and not found:
        raise asking.unknown("chain with lanes", chain, (one.chain for one in everything))
    if as_json:
        typer.echo(json.dumps([_to_json(one) for one in found], indent=2))
    elif found:
        tables.show(("CHAIN", "LANE", "PHASE", "READY", "AGE", "URL"), map(_row, found))
    else:
        typer.echo("there are no lanes; a pull request opens one")


def status(chain: ChainName, lane: LaneName, as_json: AsJson = False) -> None:
    """Tell all about one lane: its members, each service's part in it and why, and what happened.

    Exit codes: 0 told; 1 an error, such as no lane of that name, said on stderr; 2 wrong usage.
    """
    from provisioner.commands import asking

    found = asking.lane(asking.connect(), chain, lane)
    if as_json:
        typer.echo(json.dumps(_to_json(found), indent=2))
        return
    _show_head(found)
    _show_members(found)
    _show_services(found)
    _show_timeline(found)


def _to_json(found: Lane) -> Json:
    return {**found.spec(), "status": found.status}


def _row(found: Lane) -> tuple[str, ...]:
    told = found.status
    return (
        *(found.chain, found.name, found.phase or "Pending", told.get("summary", "")),
        *(_age(found.created), told.get("url", "")),
    )


def _age(since: datetime | None) -> str:
    """As kubectl shows it, in the two largest units at most."""
    if since is None:
        return ""
    minutes, seconds = divmod(max(0, int((datetime.now(UTC) - since).total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    told = [f"{count}{unit}" for count, unit in parts if count][:2]
    return "".join(told) or "0s"


def _show_head(found: Lane) -> None:
    told = found.status
    typer.echo(f"lane {found.name} of chain {found.chain}: {found.phase or 'Pending'}")
    for one in told.get("conditions") or ():
        if one["status"] != "True" or one["type"] == "Ready":
            typer.echo(f"  {one['type']}: {one['reason']}: {one.get('message', '')}")
    typer.echo(f"  url: {told.get('url') or 'none; the chain has no preview hosts'}")
    typer.echo(f"  ttl: {_ttl(found)}")


def _ttl(found: Lane) -> str:
    from provisioner import durations

    if found.pinned:
        return "pinned, it never expires"
    own = durations.format(found.ttl) if found.ttl is not None else "the chain's"
    return f"{own}, counted from {found.status.get('activeAt', 'its opening')}"


def _show_members(found: Lane) -> None:
    from provisioner.commands import tables

    typer.echo()
    rows = ((one.key, one.fork or "-", one.ref, one.sha, one.author or "-", one.url) for one in found.members)
    tables.show(("MEMBER", "FORK", "BRANCH", "COMMIT", "AUTHOR", "URL"), rows)


def _show_services(found: Lane) -> None:
    from provisioner.commands import tables

    typer.echo()
    heading = ("SERVICE", "IN LANE", "WHY", "ROUTE", "STATE", "IMAGE", "MESSAGE")
    tables.show(heading, map(_service, found.status.get("services") or ()))


def _service(one: Json) -> tuple[str, ...]:
    policies = f"network policies as {', '.join(one['policies'])}" if one.get("policies") else ""
    message = "; ".join(part for part in (one.get("message", ""), one.get("detail", ""), policies) if part)
    return (
        *(one["name"], "yes" if one["inLane"] else "no", one["reason"], _route(one)),
        *(one.get("state", "-"), one.get("image", "-"), message),
    )


def _route(one: Json) -> str:
    """Who answers; of an ancestor, which."""
    return " ".join(part for part in (one.get("route", ""), one.get("from", "")) if part)


def _show_timeline(found: Lane) -> None:
    from provisioner.commands import tables

    typer.echo()
    rows = (
        (one["at"], one["event"], f"{one['seconds']:g} s" if "seconds" in one else "", one.get("message", ""))
        for one in found.status.get("timeline") or ()
    )
    tables.show(("AT", "EVENT", "TOOK", "MESSAGE"), rows)
