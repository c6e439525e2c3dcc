"""`python -m devcluster.dev.cluster.outside`: what is outside of Laneway, in a pod of its own.

A git server for the chain's repository, whose hook is the stand-in forge: each push becomes signed deliveries
to the receiver's Service. And a way from a port of this pod to the chain's entry, for who forwards that port
to a machine: the entry's own pods come and go. Settings are the environment's: see `main`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.dev import relay, repository
from devcluster.dev.state import State, locked, write_json

GIT_PORT = 9418
ENTRY_PORT = 8000


def main() -> None:
    """Serves until it is ended. OUTSIDE_HOOKS is the receiver's URL, OUTSIDE_SECRET what it verifies with,
    OUTSIDE_ENTRY the entry as HOST:PORT, OUTSIDE_NAME what deliveries call the repository."""
    state = State(Path(os.environ.get("OUTSIDE_STATE", "/state")))
    with locked(state.lock):
        state.lock.write_text(str(os.getpid()))
        prepare(state, os.environ)
        daemon = subprocess.Popen(git_daemon(state.repositories))
        try:
            asyncio.run(_serve(os.environ["OUTSIDE_ENTRY"]))
        finally:
            daemon.terminate()
            daemon.wait()


def prepare(state: State, settings: Mapping[str, str]) -> None:
    """The empty repository with its hook, and what the hook has to know."""
    bare = state.repositories / f"{settings['OUTSIDE_NAME']}.git"
    if not (bare / "HEAD").exists():
        bare.mkdir(parents=True)
        repository.git(bare, "init", "--quiet", "--bare", f"--initial-branch={repository.MAIN}")
    repository.set_hook(bare, state.root, on=True)
    known = {
        "hooks": settings["OUTSIDE_HOOKS"],
        "webhook_secret": settings["OUTSIDE_SECRET"],
        "full_name": settings["OUTSIDE_NAME"],
        "repository": str(bare),
        "base": repository.MAIN,
    }
    write_json(state.endpoints, known)


def git_daemon(repositories: Path) -> list[str]:
    """Serves every repository below a folder, for reading and for pushing."""
    return [
        *("git", "-c", "safe.directory=*", "daemon", "--reuseaddr", f"--port={GIT_PORT}"),
        *("--export-all", "--enable=receive-pack", f"--base-path={repositories}", str(repositories)),
    ]


async def _serve(entry: str) -> None:
    host, _, port = entry.rpartition(":")
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await relay.relay(ENTRY_PORT, host, int(port))


if __name__ == "__main__":
    main()
