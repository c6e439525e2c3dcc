"""`laneway release start`: from a lane that somebody has looked at, or from images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.commands.lanes import ChainName
from provisioner.commands.release.arguments import Watch

if TYPE_CHECKING:
    from provisioner.chain.model import Chain
    from provisioner.release.model import Release
    from provisioner.world import World

FromLane = Annotated[str, typer.Option("--lane", metavar="LANE", help="the images of this lane")]
Images = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="SERVICE=IMAGE", help="a service's new image; may be repeated"),
]
Name = Annotated[str, typer.Option("--name", help="what to call it; else release-1, release-2 ...")]
Steps = Annotated[str, typer.Option("--steps", metavar="PERCENT,...", help="other steps, such as 10,50,100")]


def start(
    chain: ChainName,
    lane: FromLane = "",
    image: Images = None,
    name: Name = "",
    steps: Steps = "",
    watch: Watch = False,
) -> None:
    """Release a lane, or images: they take a growing share of all requests, then the baseline's place.

    Reads the chain's file, whose `release` section says how it goes. Exit codes: 0 started, and with --watch
    succeeded; 1 an error, such as a release that runs already, said on stderr, or with --watch taken back;
    2 wrong usage.
    """
    from provisioner import logs, settings
    from provisioner.commands import asking
    from provisioner.commands.release import watching
    from provisioner.release import store

    if bool(lane) == bool(image):
        raise typer.BadParameter("give either --lane LANE or --image SERVICE=IMAGE")
    logs.configure("release")
    found = settings.load()
    world = asking.world(found)
    told = _with_steps(asking.chain(found, chain), steps)
    wanted = _wanted(told, lane, image or [], name, world)
    made = store.create(world.cluster, wanted)
    images = ", ".join(f"{one.service}={one.image}" for one in made.changes)
    typer.echo(f"release {made.name} of chain {chain} begins: {images}")
    if watch:
        raise typer.Exit(watching.until_over(world.cluster, made))
    typer.echo(f"  laneway release status {chain} {made.name} --watch")


def _wanted(chain: Chain, lane: str, images: list[str], name: str, world: World) -> Release:
    from provisioner.release import start as beginning

    if lane:
        return beginning.from_lane(chain, lane, name, world)
    return beginning.from_images(chain, dict(map(_image, images)), name, world)


def _image(text: str) -> tuple[str, str]:
    """SERVICE=IMAGE; an image may have `=` in none of its parts."""
    service, equals, image = text.partition("=")
    if not service or not image or not equals:
        raise typer.BadParameter(f"{text[:80]!r} is not SERVICE=IMAGE", param_hint="--image")
    return service, image


def _with_steps(chain: Chain, text: str) -> Chain:
    """The chain with these weights for steps, where any are given."""
    from provisioner.release import steps

    weights = [_weight(part) for part in text.split(",")] if text else []
    return replace(chain, release=steps.with_weights(chain.release, weights)) if weights else chain


def _weight(text: str) -> int:
    number = text.strip().removesuffix("%").strip()
    if not number.isdecimal():
        raise typer.BadParameter(f"{text.strip()[:20]!r} is no percentage: 10,50,100", param_hint="--steps")
    return int(number)
