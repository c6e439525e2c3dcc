"""`laneway release promote`, `pause`, `resume` and `abort`: what a person says to a release that runs.

Each writes the release's spec and ends; the release acts on it within a second or so. Saying the same twice
is fine; what cannot be done any more is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.commands.lanes import ChainName
from provisioner.commands.release.arguments import ReleaseName

if TYPE_CHECKING:
    from provisioner.release.model import Release

Full = Annotated[bool, typer.Option("--full", help="through all steps; each still waits for its copies")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="for whoever asks later")]


def promote(chain: ChainName, name: ReleaseName = "", full: Full = False) -> None:
    """Go on to the next step without waiting for a pause's end, an analysis or anybody.

    Exit codes: 0 said; 1 an error, such as a release that is paused or over, said on stderr; 2 wrong usage.
    """
    from provisioner.release import wishes

    found = _write(chain, name, lambda release: wishes.promote(release, full=full))
    if found.promoted >= len(found.strategy.steps):
        how = "through all of its steps" if full else "to its end: the baseline takes its images"
    else:
        how = "to its next step"
    _say(found, f"goes on {how}")


def pause(chain: ChainName, name: ReleaseName = "") -> None:
    """Keep the share as it is until somebody resumes the release. It is still taken back when it fails.

    Exit codes: 0 said, also before; 1 an error, such as one that is over, said on stderr; 2 wrong usage.
    """
    from provisioner.release import wishes

    found = _write(chain, name, wishes.pause)
    _say(found, f"is paused at {found.weight} %; go on with: laneway release resume {chain} {found.name}")


def resume(chain: ChainName, name: ReleaseName = "") -> None:
    """Go on after a pause by hand, a baseline that changed, or an analysis that came to nothing.

    Exit codes: 0 said; 1 an error, such as a release that is not paused, said on stderr; 2 wrong usage.
    """
    from provisioner.release import wishes

    _say(_write(chain, name, wishes.resume), "goes on")


def abort(chain: ChainName, name: ReleaseName = "", why: Why = "") -> None:
    """Give everybody the version of before: the share is 0 at once, then the release's lane goes.

    Exit codes: 0 said, also before; 1 an error, such as one that is over, said on stderr; 2 wrong usage.
    """
    from provisioner.release import wishes

    found = _write(chain, name, lambda release: wishes.abort(release, why))
    _say(found, f"goes back: {found.aborted}")


def _write(chain: str, name: str, wish: Callable[[Release], Release]) -> Release:
    """The release as it is when the wish is written; it is wished anew where somebody wrote it meanwhile."""
    from provisioner import logs
    from provisioner.commands import asking
    from provisioner.commands.release import which
    from provisioner.lane import store as lanes
    from provisioner.release import store

    logs.configure("release")
    cluster = asking.connect()

    def attempt() -> Release:
        found = which.running(cluster, chain, name)
        wished = wish(found)
        return found if wished == found else store.write(cluster, wished)

    return lanes.on_conflict(attempt)


def _say(release: Release, what: str) -> None:
    typer.echo(f"release {release.name} of chain {release.chain} {what}")
    typer.echo(f"  laneway release status {release.chain} {release.name} --watch")
