"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

import typer

from provisioner.commands import change as commands_change
from provisioner.commands import check as commands_check
from provisioner.commands import explain as commands_explain
from provisioner.commands import init as commands_init
from provisioner.commands import lanes as commands_lanes
from provisioner.commands import link as commands_link
from provisioner.commands import release as commands_release
from provisioner.commands import routes as commands_routes


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command()(commands_init.init)
    app.command()(commands_check.check)
    app.command()(commands_lanes.lanes)
    app.command()(commands_lanes.status)
    app.command()(commands_explain.explain)
    app.command()(commands_routes.routes)
    app.command()(commands_link.link)
    app.command()(commands_change.approve)
    app.command()(commands_change.pin)
    app.command()(commands_change.unpin)
    commands_release.register(app)
