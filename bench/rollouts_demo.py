"""`make release-demo CLUSTER=CONTEXT`: the example of `examples/release`, and what was counted there.

Exit code 1 when a chain met two versions during the release, or a request of it failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import rollouts
from bench.rollouts import CHAINS, Count
from devcluster.dev.cluster import context
from provisioner.errors import LanewayError


def table(title: str, counts: Iterable[Count]) -> Table:
    """What was counted, a line each."""
    found = Table("requests at", "chains", "new version", "mixed versions", "failed", title=title)
    for one in counts:
        mixed = f"{one.mixed} ({100 * one.mixed / max(1, one.total):.0f} %)" if one.mixed else "0"
        found.add_row(one.what, str(one.total), f"{one.share:.1f} %", mixed, str(one.failed.total()))
    return found


def play(name: str, chains: int, console: Console) -> int:
    """Runs both ways on the cluster of a context and prints what was counted; 0 only if the release held."""
    with tempfile.TemporaryDirectory(prefix="laneway-release-demo-") as folder:
        try:
            chosen = context.choose(name, Path(folder))
            told = rollouts.measured(chosen, Path(folder), chains, console.print)
        except (LanewayError, AssertionError) as error:
            console.print(f"{error}\n\nThe demo did not hold.", markup=False)
            return 1
    console.print()
    console.print(table("Each Rollout by its own weights", told.by_rollouts))
    console.print(table("The same change as a release of Laneway", told.by_release))
    return int(any(one.mixed or one.failed for one in told.by_release))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make release-demo", description=__doc__)
    parser.add_argument("--cluster", required=True, metavar="CONTEXT", help="never the current one by itself")
    parser.add_argument("--chains", type=int, default=CHAINS, help="how many are counted at each step")
    given = parser.parse_args(arguments)
    return play(given.cluster, given.chains, Console())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
