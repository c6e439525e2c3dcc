"""`laneway approve`, `laneway pin` and `laneway unpin`: what a person decides about a lane."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.commands.lanes import ChainName, LaneName

Sha = Annotated[str, typer.Argument(metavar="SHA", help="the full id of the commit that you looked at")]


def approve(chain: ChainName, lane: LaneName, sha: Sha) -> None:
    """Let one commit of a fork run in its lane: that very one, and no later one.

    Reads the chain's file. The lane converges within seconds. Exit codes: 0 approved, also before; 1 an error
    such as a commit that does not wait, said on stderr; 2 wrong usage.
    """
    from provisioner import logs, settings
    from provisioner.commands import asking
    from provisioner.lane import approval

    logs.configure("approve")
    found = settings.load()
    approved = approval.approve(asking.chain(found, chain), lane, sha, asking.world(found))
    typer.echo(f"{sha.lower()} may run in lane {approved.name} of chain {chain}; follow it with:")
    typer.echo(f"  laneway status {chain} {approved.name}")


def pin(chain: ChainName, lane: LaneName) -> None:
    """Exempt a lane from its ttl. It still goes with its last pull request.

    Exit codes: 0 pinned, also before; 1 an error, said on stderr; 2 wrong usage.
    """
    _pin(chain, lane, wanted=True)
    typer.echo(f"lane {lane} of chain {chain} is pinned; it goes with its last pull request only")


def unpin(chain: ChainName, lane: LaneName) -> None:
    """Take a pin back: the lane's ttl counts again, from the last push or use.

    Exit codes: 0 not pinned, also before; 1 an error, said on stderr; 2 wrong usage.
    """
    _pin(chain, lane, wanted=False)
    typer.echo(f"lane {lane} of chain {chain} is not pinned; its ttl counts from the last push or use")


def _pin(chain: str, lane: str, *, wanted: bool) -> None:
    from dataclasses import replace

    from provisioner import logs
    from provisioner.commands import asking
    from provisioner.lane import store as lanes

    logs.configure("pin")
    reached = asking.connect()

    def attempt() -> None:
        found = asking.lane(reached, chain, lane)
        if found.pinned is not wanted:
            lanes.write(reached, replace(found, pinned=wanted))

    lanes.on_conflict(attempt)
