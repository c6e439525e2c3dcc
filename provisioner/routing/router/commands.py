"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command("router")(router)
    app.command("envoy", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(envoy)


def router() -> None:
    """Tells the Envoys of every chain where each lane's requests go."""
    import asyncio

    from provisioner import chains, cluster, logs, settings
    from provisioner.routing.router.server import Addresses, run

    logs.configure("router")
    wanted = settings.load()
    health = (wanted.metrics_host, wanted.metrics_port) if wanted.metrics_port else None
    addresses = Addresses(f"{wanted.discovery_host}:{wanted.discovery_port}", health)
    asyncio.run(run(cluster.connect(wanted.kubeconfig), chains.load(wanted.chains), addresses))


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
    os.execv(arguments[0], arguments)
