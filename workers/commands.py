"""The commands that this layer adds to `laneway`."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Adds them to the command line."""
