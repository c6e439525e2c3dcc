"""`laneway attach` and `laneway detach`: what they are asked for, and what they say while they work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provisioner.chain.model import Chain
    from provisioner.routing.router.attach import Work
    from provisioner.routing.router.writing import Step
    from provisioner.settings import Settings

    Run = Callable[[], Iterator[Step]]

ChainName = Annotated[str, typer.Argument(metavar="[CHAIN]", help="the chain's name, as its file says")]
Every = Annotated[bool, typer.Option("--all", help="every chain that the chain files describe")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show each write as a diff, and write nothing")]
Seconds = Annotated[float, typer.Option("--timeout", help="seconds that each wait may take")]
Namespaces = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", help="look in this namespace; then CHAIN needs no file any more"),
]


def attach(
    chain: ChainName = "", every: Every = False, dry_run: DryRun = False, timeout: Seconds = 120.0
) -> None:
    """Put the router in front of a chain's Services. Safe to interrupt and to repeat.

    Everything is checked and every write rehearsed before the first one is made. Exit codes: 0 attached, also
    before; 1 an error, said on stderr; 2 wrong usage.
    """
    from functools import partial

    from provisioner import settings
    from provisioner.routing.router import attach as attaching

    current = settings.load()
    wanted = _wanted(current, chain, every)
    work = _work(current, dry_run, timeout)
    runs = {name: partial(attaching.attach, found, work) for name, found in wanted.items()}
    _carry_out(runs, "chain {} is attached already", dry_run)


def detach(
    chain: ChainName = "",
    every: Every = False,
    namespace: Namespaces = None,
    dry_run: DryRun = False,
    timeout: Seconds = 120.0,
) -> None:
    """Restore a chain's Services as they were, and remove the router. Safe to interrupt and to repeat.

    Exit codes: 0 detached, also before; 1 an error of any chain, said on stderr; 2 wrong usage.
    """
    from functools import partial

    from provisioner import settings
    from provisioner.routing.router import attach as attaching

    current = settings.load()
    if namespace and chain:
        where = {chain: tuple(namespace)}
    else:
        where = {name: found.namespaces for name, found in _wanted(current, chain, every).items()}
    work = _work(current, dry_run, timeout)
    runs = {name: partial(attaching.detach, name, found, work) for name, found in where.items()}
    _carry_out(runs, "chain {} is not attached", dry_run)


def _wanted(current: Settings, name: str, every: bool) -> Mapping[str, Chain]:
    """The chains that are asked for: one, or all that use our own driver. Anything else is wrong usage."""
    from provisioner.chain import folder as chains
    from provisioner.chain.model import Driver
    from provisioner.errors import ConfigError

    if bool(name) is every:
        raise typer.BadParameter("give a chain's name, or --all")
    known = {one.name: one for one in chains.load(current.chains)}
    if name and name not in known:
        raise ConfigError(
            f"no chain {name!r}; there is {', '.join(sorted(known))}", where=str(current.chains)
        )
    if name:
        return {name: known[name]}
    return {one: found for one, found in known.items() if found.driver is Driver.ENVOY}


def _work(current: Settings, dry: bool, timeout: float) -> Work:
    from provisioner import cluster
    from provisioner.routing.router.attach import Work
    from provisioner.routing.router.deployment import RouterSettings

    pods = current.envoy_image, current.envoy_replicas
    router = RouterSettings(*pods, current.discovery_address, current.namespace)
    return Work(cluster.connect(current.kubeconfig), router, timeout, dry)


def _carry_out(runs: Mapping[str, Run], otherwise: str, dry: bool) -> None:
    """One chain after the other; what is wrong with one does not keep the next from its turn."""
    from provisioner.errors import LanewayError

    failed: list[LanewayError] = []
    for name, run in runs.items():
        try:
            _say(run(), otherwise.format(name), dry)
        except LanewayError as error:
            failed.append(error)
    for one in failed[:-1]:
        print(f"laneway: {one.reason}: {one}", file=sys.stderr)
    if failed:
        raise failed[-1]


def _say(steps: Iterator[Step], otherwise: str, dry: bool) -> None:
    """A line for each step as it happens, with its diff where it is none yet; `otherwise` when there is
    none."""
    from provisioner.routing.router import difference

    said = False
    for step in steps:
        typer.echo(f"would {step}" if dry else str(step))
        if dry and (shown := difference.unified(step.before, step.after)):
            typer.echo(shown)
        said = True
    if not said:
        typer.echo(otherwise)
