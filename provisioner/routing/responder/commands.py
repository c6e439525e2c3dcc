"""The command that this part adds to `laneway`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds it to the command line."""
    app.command("responder")(responder)


def responder() -> None:
    """Answers for copies that are missing in strict lanes, where chains are routed by Gateway API."""
    import asyncio

    from provisioner import logs, settings
    from provisioner.routing.responder import server

    logs.configure("responder")
    wanted = settings.load()
    asyncio.run(server.run(wanted.responder_host, wanted.responder_port, wanted.responder_grpc_port))
