"""The `laneway` command: every layer brings its own commands, errors come out as one clear line."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import typer

from provisioner.errors import LanewayError

GROUP = "laneway.commands"


def build() -> typer.Typer:
    """The command line with the commands of every installed layer."""
    app = typer.Typer(
        name="laneway",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        help="Preview environments for Kubernetes that copy only the services a branch changed.",
    )
    for layer in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        layer.load()(app)
    return app


def main() -> None:
    """Runs the command line; a LanewayError ends with its message and exit code 1, without a traceback."""
    try:
        build()()
    except LanewayError as error:
        print(f"laneway: {error.reason}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
