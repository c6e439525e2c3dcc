"""`laneway dev ...`: the embedded system of one laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devcluster.dev.state import State

DEFAULT = Path(".laneway")
StateOption = Annotated[Path, typer.Option("--state", help="folder that holds everything of the system")]


def register(app: typer.Typer) -> None:
    """Adds `laneway dev`."""
    dev = typer.Typer(no_args_is_help=True, help="An embedded system: a whole installation on this machine.")
    dev.command("up")(up)
    dev.command("status")(status)
    dev.command("down")(down)
    dev.command("env")(env)
    dev.command("demo")(demo)
    app.add_typer(dev, name="dev")


def up(
    state: StateOption = DEFAULT,
    chain: Annotated[Path | None, typer.Option(help="the chain's file; the example's by default")] = None,
    manifests: Annotated[
        Path | None,
        typer.Option(help="folder with its Kubernetes objects; `manifests` beside the file"),
    ] = None,
    source: Annotated[
        Path | None, typer.Option(help="folder that the repository is made of; the chain file's by default")
    ] = None,
    forge: Annotated[
        bool,
        typer.Option("--forge", help="the repository's hook acts as a forge: a pull request per branch"),
    ] = False,
) -> None:
    """Start the system in the background; returns when the chain answers."""
    from devcluster.dev import control, show
    from devcluster.dev.system import Asked

    place = _state(state)
    wanted = Asked(chain, manifests, source, forge)
    if control.up(place, wanted, show.step):
        show.summary(place)
    else:
        show.already(place, forge=forge)


def status(state: StateOption = DEFAULT) -> None:
    """Show the system's processes and lanes; exit code 3 when it is not up."""
    from devcluster.dev import show

    if not show.status(_state(state)):
        raise typer.Exit(3)


def down(state: StateOption = DEFAULT) -> None:
    """End the system; its data stays in the folder."""
    from devcluster.dev import control

    place = _state(state)
    print("down" if control.down(place) else f"{place.root} was not up")


def env(state: StateOption = DEFAULT) -> None:
    """Print `export` lines for kubectl and every other laneway command: eval "$(laneway dev env)"."""
    from devcluster.dev import show

    show.env(_state(state))


def demo(
    once: Annotated[bool, typer.Option("--once", help="play it once and end")] = False,
    cluster: Annotated[
        str, typer.Option(help="context of a real cluster to play it on; the embedded one by default")
    ] = "",
) -> None:
    """Play the whole story on a system of its own, and remove everything at the end."""
    if cluster:
        from devcluster.dev.cluster import play as abroad

        raise typer.Exit(abroad.play(cluster, once=once))
    from devcluster.dev.demo import play

    raise typer.Exit(play.play(once=once))


def _state(folder: Path) -> State:
    return State(folder.resolve())
