"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provisioner.chain.model import Chain
    from provisioner.routing.router.attach import Step, Work

ChainName = Annotated[str, typer.Argument(metavar="CHAIN", help="the chain's name, as its file says")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would be written, and write nothing")]
Seconds = Annotated[float, typer.Option("--timeout", help="seconds that each wait may take")]


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command("router")(router)
    app.command("attach")(attach)
    app.command("detach")(detach)
    app.command("envoy", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(envoy)


def router() -> None:
    """Tells the Envoys of every chain where each lane's requests go, and wakes lanes that sleep."""
    import asyncio

    from provisioner import cluster, logs, settings
    from provisioner.chain import folder as chains
    from provisioner.chain.book import ChainBook
    from provisioner.lane import usage
    from provisioner.routing.router.holds import Limits
    from provisioner.routing.router.server import Addresses, Waking, run

    logs.configure("router")
    wanted = settings.load()
    health = (wanted.metrics_host, wanted.metrics_port) if wanted.metrics_port else None
    addresses = Addresses(f"{wanted.discovery_host}:{wanted.discovery_port}", health)
    edge = cluster.connect(wanted.kubeconfig)
    waking = Waking(
        usage.ClusterNotes(edge, wanted.namespace),
        Limits(wanted.wake_seconds, wanted.held_requests),
        wanted.use_seconds,
    )
    asyncio.run(run(edge, ChainBook(wanted.chains, chains.load), addresses, waking))


def envoy(context: typer.Context, drain: bool = typer.Option(False, help="Drain the running one.")) -> None:
    """Becomes Envoy, as the router's pods run it. Further options are passed on to Envoy."""
    import os

    from provisioner.routing.router import launch

    if drain:
        pod = launch.node(os.environ)
        launch.drain(
            launch.folder(pod) / launch.ADMIN_SOCKET, float(os.environ.get("LANEWAY_DRAIN_SECONDS", "20"))
        )
        return
    arguments = launch.command(os.environ, context.args)
    os.chdir(launch.folder(launch.node(os.environ)))
    os.execv(arguments[0], arguments)


def attach(chain: ChainName, dry_run: DryRun = False, timeout: Seconds = 120.0) -> None:
    """Put the router in front of a chain's Services. Safe to interrupt and to repeat."""
    from provisioner.routing.router import attach as attaching

    wanted, work = _prepare(chain, dry_run, timeout)
    _say(attaching.attach(wanted, work), f"chain {chain} is attached already")


def detach(chain: ChainName, dry_run: DryRun = False, timeout: Seconds = 120.0) -> None:
    """Restore a chain's Services as they were, and remove the router. Safe to interrupt and to repeat."""
    from provisioner.routing.router import attach as attaching

    wanted, work = _prepare(chain, dry_run, timeout)
    _say(attaching.detach(wanted, work), f"chain {chain} is not attached")


def _prepare(name: str, dry: bool, timeout: float) -> tuple[Chain, Work]:
    from provisioner import cluster, settings
    from provisioner.chain import folder as chains
    from provisioner.errors import ConfigError
    from provisioner.routing.router.attach import Work
    from provisioner.routing.router.deployment import RouterSettings

    current = settings.load()
    known = {one.name: one for one in chains.load(current.chains)}
    if name not in known:
        raise ConfigError(
            f"no chain {name!r}; there is {', '.join(sorted(known))}", where=str(current.chains)
        )
    router = RouterSettings(current.envoy_image, current.envoy_replicas, current.discovery_address)
    return known[name], Work(cluster.connect(current.kubeconfig), router, timeout, dry)


def _say(steps: Iterator[Step], otherwise: str) -> None:
    """A line for each step as it happens; `otherwise` when there was none."""
    said = False
    for step in steps:
        typer.echo(str(step))
        said = True
    if not said:
        typer.echo(otherwise)
