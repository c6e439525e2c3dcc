"""Arguments that several of the commands take."""

from __future__ import annotations

from typing import Annotated

import typer

ReleaseName = Annotated[str, typer.Argument(metavar="[NAME]", help="the release; else the one that runs")]
Watch = Annotated[bool, typer.Option("--watch", help="show it until it is over")]
