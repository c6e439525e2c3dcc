"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command()(serve)


def serve(
    workers: Annotated[int, typer.Option(min=1, help="Processes that accept on the one port.")] = 1,
    port_file: Annotated[
        Path | None, typer.Option(help="Write the port here; for LANEWAY_HOOKS_PORT=0.")
    ] = None,
) -> None:
    """Receive the forge's webhooks: POST /hooks/github. Settings come from LANEWAY_* variables."""
    from provisioner import logs, settings
    from webhooks import server

    logs.configure("serve")
    server.run(settings.load(), workers, port_file)
