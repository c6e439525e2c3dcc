"""What is left when a soak is over, held against the law: the lanes are the open pull requests, each at its
head and with exactly what its plan names, and nothing else says that it is of a lane."""

from __future__ import annotations

import http.client
import logging
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from bench.soak_forge import Branch, Forge
from bench.soak_shop import SERVICES
from bench.soak_traffic import ask, verdicts
from devcluster.dev import processes, system
from devcluster.dev.state import State
from provisioner import cluster, names
from provisioner.chain import grammar as chainfile
from provisioner.chain.model import Chain
from provisioner.errors import TemporaryError
from provisioner.git import Repositories
from provisioner.settings import Settings
from provisioner.world import World
from tests.support import law

POLL = 1.0  # seconds between two looks at everything
HELD = 3  # the exit code of a sweep while another one runs
ANOTHER = 120.0  # seconds that the other may take; one whose process was killed holds its Lease for a minute


@dataclass
class Judge:
    """Reads the cluster as it is; `mirrors` is a folder of its own for git."""

    state: State
    forge: Forge
    entry: str
    chain: Chain
    world: World

    def unheeded(self) -> list[str]:
        """Every pull request that is open without holding its lane, or holds one without being open."""
        held = {
            name: {member.key: member.sha for member in lane.members}
            for name, lane in law.lanes_of(self.chain, self.world.cluster).items()
        }
        wanted = self._truth().open
        return [
            f"lane {name}: open is {dict(wanted.get(name, {}))}, it is held by {held.get(name)}"
            for name in sorted(held.keys() | wanted.keys())
            if held.get(name) != wanted.get(name)
        ]

    def noticed(self, branch: str, ended: datetime) -> bool:
        """Whether the cluster knows of a branch's end at that time or later; False while nobody can say."""
        try:
            tombstones = self.world.ledger(self.chain).read_all().tombstones
        except TemporaryError:
            return False
        known = tombstones.get(f"{self.forge.full_name.lower()}@{branch}")
        return known is not None and known >= ended

    def breaches(self) -> list[str]:
        """Every breach of the law, and every lane that does not answer with what its branch changed."""
        broken = law.breaches(self.chain, self.world, self._truth())
        return [
            *broken,
            *(one for branch in self.forge.truth().values() if (one := self._unanswered(branch))),
        ]

    def sweep(self) -> None:
        """Runs `laneway sweep` by hand, as soon as no other one runs. RuntimeError with its words."""
        deadline = time.monotonic() + ANOTHER
        while (done := self._sweep()).returncode == HELD and time.monotonic() < deadline:
            time.sleep(POLL)
        if done.returncode:
            raise RuntimeError(f"laneway sweep: exit code {done.returncode}: {done.stderr[-2000:]}")

    def _sweep(self) -> subprocess.CompletedProcess[str]:
        made = system.load(self.state)
        return subprocess.run(
            [str(processes.BIN / "laneway"), "sweep", "--confirm"],
            env={**processes.clean(), **processes.settings(self.state, made.ports, made.secret)},
            check=False,
            capture_output=True,
            text=True,
        )

    def _unanswered(self, branch: Branch) -> str:
        connection = http.client.HTTPConnection(urlsplit(self.entry).netloc, timeout=10)
        answer = ask(connection, names.lane_name(branch.name), by_baggage=False)
        connection.close()
        saw = {hop["service"]: hop["version"] for hop in answer.hops if hop["lane"]}
        wanted = dict.fromkeys((one for one in SERVICES if one in branch.changes), branch.version)
        if verdicts(answer) or saw != wanted:
            return f"lane {branch.name} answers {answer}, its branch has {wanted}"
        return ""

    def _truth(self) -> law.Truth:
        found = self.forge.truth()
        return law.Truth(
            {names.lane_name(name): {self.forge.key(one): one.head} for name, one in found.items()}
        )


def judge(state: State, entry: str, forge: Forge, chain_file: Path, mirrors: Path) -> Judge:
    """A judge of the system below `state`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = Settings(kubeconfig=str(state.kubeconfig), mirrors=mirrors, chains=chain_file)
    git = Repositories(mirrors, max_bytes=1 << 32, timeout=30)
    world = World(cluster.connect(str(state.kubeconfig)), git, settings, lambda: datetime.now(UTC))
    return Judge(state, forge, entry, chainfile.parse(chain_file.read_text(), str(chain_file)), world)


def wait_for_none(look: Callable[[], list[str]], seconds: float) -> list[str]:
    """What `look` finds last: nothing, or what is still there after so many seconds."""
    deadline = time.monotonic() + seconds
    while found := look():
        if time.monotonic() > deadline:
            break
        time.sleep(POLL)
    return found
