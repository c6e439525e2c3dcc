"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import typer

from provisioner.routing.responder import commands as responder
from provisioner.routing.router import attaching


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command("router")(router)
    responder.register(app)
    app.command("attach")(attaching.attach)
    app.command("detach")(attaching.detach)
    app.command("envoy", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(envoy)


def router() -> None:
    """Tells the Envoys of every chain where each lane's requests go, and wakes lanes that sleep."""
    import asyncio

    from provisioner import cluster, logs, settings
    from provisioner.chain import folder as chains
    from provisioner.chain.book import ChainBook
    from provisioner.lane import usage
    from provisioner.routing.keyring import Keyring
    from provisioner.routing.router.holds import Limits
    from provisioner.routing.router.keeping import ClusterShelf
    from provisioner.routing.router.mending import Mending
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
    files = Keyring(ChainBook(wanted.chains, chains.load), wanted.link_keys_file)
    asyncio.run(
        _until_first(run(edge, files, addresses, waking, ClusterShelf(edge)), Mending(edge, files).run())
    )


async def _until_first(*some: Coroutine[Any, Any, None]) -> None:
    """Runs several until one ends, and ends the others; raises what that one raised."""
    import asyncio

    tasks = [asyncio.create_task(one) for one in some]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for one in done:
        one.result()


def envoy(context: typer.Context, drain: bool = typer.Option(False, help="Drain the running one.")) -> None:
    """Becomes Envoy, as the router's pods run it. Further options are passed on to Envoy."""
    import os
    import signal

    from provisioner.routing.router import launch

    if drain:
        pod = launch.node(os.environ)
        seconds = float(os.environ.get("LANEWAY_DRAIN_SECONDS", "20"))
        least = float(os.environ.get("LANEWAY_DRAIN_LEAST_SECONDS", "3"))
        launch.drain(launch.folder(pod) / launch.ADMIN_SOCKET, pod.listeners, seconds, least)
        return
    arguments = launch.command(os.environ, context.args)
    os.chdir(launch.folder(launch.node(os.environ)))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Envoy would leave who helped it start as a zombie
    launch.raise_open_files()
    os.execv(arguments[0], arguments)
