"""`laneway check`: chain files by themselves, and held against the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from provisioner.chain.model import Chain
    from provisioner.inspection.findings import Finding
    from provisioner.settings import Settings

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE...]", help="chain files, or folders; else LANEWAY_CHAINS"),
]
Offline = Annotated[bool, typer.Option("--offline", help="read the files alone, and ask no cluster")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of tables")]


def check(files: Files = None, offline: Offline = False, as_json: AsJson = False) -> None:
    """Hold chain files against the cluster and say everything that is wrong at once. Changes nothing.

    Asks the cluster of LANEWAY_KUBECONFIG: whether it will do, whether each Service can be attached and each
    workload copied, and whether what is attached still is as it should be. Exit codes: 0 nothing is wrong,
    there may be warnings; 1 something is, or an error, said on stderr; 2 wrong usage.
    """
    from provisioner import settings
    from provisioner.chain import folder as chains
    from provisioner.inspection import findings

    current = settings.load()
    read = chains.load_all(files or [current.chains])
    found = [] if offline else _against_cluster(read, current)
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2))
    else:
        _show(read, found, offline)
    if findings.is_wrong(found):
        raise typer.Exit(1)


def _against_cluster(read: tuple[Chain, ...], current: Settings) -> list[Finding]:
    from provisioner import cluster
    from provisioner.errors import ConfigError
    from provisioner.inspection import gather, meshes, rules, server
    from provisioner.routing.router.deployment import RouterSettings

    try:
        reached = cluster.connect(current.kubeconfig)
    except ConfigError as error:
        raise ConfigError(f"{error}; or read the files alone with --offline") from error
    port = RouterSettings("", 0, current.discovery_address).discovery_port
    found = list(server.findings(gather.server(reached)))
    kinds = (*gather.KINDS, *gather.optional(read), *meshes.kinds(read))
    seen = gather.namespaces(reached, (name for chain in read for name in chain.namespaces), kinds)
    found += meshes.shared_hosts(read)
    for chain in read:
        found += rules.findings(chain, seen, port, current.namespace)
    return found


def _show(read: tuple[Chain, ...], found: list[Finding], offline: bool) -> None:
    from provisioner.commands import tables

    tables.show(("CHAIN", "SERVICES", "REPOSITORIES", "NAMESPACES", "DRIVER", "FILE"), map(_row, read))
    if found:
        typer.echo()
        rows = ((one.severity.value, one.chain, one.where, one.reason, one.message) for one in found)
        tables.show(("", "CHAIN", "WHERE", "REASON", "MESSAGE"), rows)
    elif not offline:
        typer.echo("\nthe cluster has what they need")


def _row(chain: Chain) -> tuple[str, ...]:
    repositories = ", ".join(repository.name for repository in chain.repositories)
    services, namespaces = str(len(chain.services)), ", ".join(chain.namespaces)
    return (chain.name, services, repositories, namespaces, chain.driver.value, chain.source)
