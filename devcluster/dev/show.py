"""What `laneway dev` prints: plain lines where nobody reads along, colours where somebody does."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from devcluster.dev import control, processes, system
from devcluster.dev.state import State, holder, read_json

Json = dict[str, Any]

console = Console(highlight=False, soft_wrap=True)


def step(one: control.Step) -> None:
    """A line of progress."""
    if not one.end:
        console.print(f"[dim]{one.seconds:6.2f} s[/]  {one.step}")


def summary(state: State) -> None:
    """What there is, after `up`."""
    known = read_json(state.endpoints)
    folder = _option(state)
    console.print(f"""
[bold]Up.[/] The chain [bold]{known["chain"]}[/] answers at {known["entry"]}

  lanes        {known["preview"] or "by header or baggage only: the chain file has no entry.host"}
  deliveries   POST {known["hooks"]}/github   (secret and all other addresses: {state.endpoints})
  repository   {known["repository"]}
  logs         {state.logs}

  curl {known["entry"]}
  eval "$(laneway dev env{folder})"     then kubectl and every laneway command act on it
  laneway dev status{folder}            laneway dev down{folder}
""")


def already(state: State, *, forge: bool) -> None:
    """After an `up` that had nothing to do; `forge` is what it was asked for."""
    entry = read_json(state.endpoints)["entry"]
    console.print(f"The system in {state.root} is already up (process {holder(state)}), at {entry}")
    if forge and not system.load(state).forge:
        console.print("It runs without --forge; to change that: laneway dev down, then up again")


def status(state: State) -> bool:
    """The processes and the lanes; False when the system is not up."""
    pid = holder(state)
    if pid is None:
        console.print(f"The system in {state.root} is not up. Start it with: laneway dev up{_option(state)}")
        return False
    console.print(_process_table(pid, read_json(state.processes).get("table", {})))
    console.print(_lanes(state))
    return True


def env(state: State) -> None:
    """`export` lines, for a shell's eval."""
    try:
        made = system.load(state)
    except ValueError as error:
        raise control.EmbeddedSystemError(str(error), where="dev env") from error
    values = {
        "KUBECONFIG": str(state.kubeconfig),
        **processes.settings(state, made.ports, made.secret),
    }
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
    print(f'export PATH={shlex.quote(str(processes.BIN))}:"$PATH"')


def _process_table(supervisor: int, rows: Json) -> Table:
    table = Table("PROCESS", "PID", "UP", "RESTARTS", "ADDRESS", box=None, pad_edge=False)
    table.add_row("supervisor", str(supervisor), "", "", "")
    for name, row in rows.items():
        running = f"{time.time() - row['since']:.0f} s" if row["pid"] else "restarting"
        table.add_row(name, str(row["pid"] or "-"), running, str(row["restarts"]), row["address"])
    return table


def _lanes(state: State) -> str:
    done = subprocess.run(
        [str(processes.BIN / "kubectl"), "--kubeconfig", str(state.kubeconfig), "get", "lanes", "-o", "json"],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"\nlanes: {done.stderr.strip()}"
    lanes = json.loads(done.stdout)["items"]
    return "\n".join(["", f"{len(lanes)} lane{'' if len(lanes) == 1 else 's'}", *map(_lane, lanes)])


def _lane(lane: Json) -> str:
    status = lane.get("status", {})
    return f"{lane['spec']['lane']:30} {status.get('phase', ''):12} {status.get('url', '')}"


def _option(state: State) -> str:
    return "" if state.root.name == ".laneway" else f" --state {state.root}"
