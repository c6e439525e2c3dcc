"""`laneway release ...`: what people say to a release, and what it says of itself.

Only `start` reads the chain's file: the others ask the cluster alone, so they work wherever kubectl does.
"""

from __future__ import annotations

import typer

from provisioner.commands.release import showing, starting, steering


def register(app: typer.Typer) -> None:
    """Adds `laneway release`."""
    release = typer.Typer(no_args_is_help=True, help="Releases: a lane that takes everybody, step by step.")
    release.command("start")(starting.start)
    release.command("promote")(steering.promote)
    release.command("pause")(steering.pause)
    release.command("resume")(steering.resume)
    release.command("abort")(steering.abort)
    release.command("status")(showing.status)
    release.command("list")(showing.listed)
    app.add_typer(release, name="release")
