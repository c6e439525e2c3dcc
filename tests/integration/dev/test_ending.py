"""However a system ends, nothing of it runs afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.dev import census, control
from devcluster.dev.processes import BIN
from devcluster.dev.state import State, holder, read_json
from devcluster.dev.system import Asked
from tests.support.waiting import until


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "system")


def up(state: State) -> list[int]:
    """Brings it up; all its processes."""
    control.up(state, Asked(), lambda _: None)
    return process_ids(state)


def process_ids(state: State) -> list[int]:
    """Every process of the system, with the pods'."""
    return [pid for pids in read_json(state.endpoints)["processes"].values() for pid in pids]


def nothing_runs(pids: list[int]) -> bool:
    return census.alive(pids) == []


def test_down_ends_everything_and_another_up_keeps_addresses(state: State) -> None:
    pids = up(state)
    before = read_json(state.endpoints)

    assert control.down(state)
    assert nothing_runs(pids)
    assert not state.endpoints.exists()
    assert not control.down(state)

    up(state)
    after = read_json(state.endpoints)
    control.down(state)
    addresses = ("hooks", "entry", "redis", "metrics", "webhook_secret", "repository")
    assert [after[one] for one in addresses] == [before[one] for one in addresses]


def test_a_killed_supervisor_takes_everything_with_it(state: State) -> None:
    pids = up(state)

    os.kill(holder(state) or 0, signal.SIGKILL)

    until(lambda: nothing_runs(pids), "everything has ended")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo as a shell in a terminal starts it, in a process group of its own."""
    process = subprocess.Popen(
        [str(BIN / "laneway"), "dev", "demo"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        yield process
        process.terminate()  # it may be half-way when a check has failed


def test_ctrl_c_ends_the_demo_and_leaves_no_process(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    root = until(lambda: next(tmp_path.glob("laneway-demo-*/system"), None), "the demo has a folder")
    state = State(root)
    until(lambda: state.endpoints.exists() or demo.poll() is not None, "the system is up", seconds=120)
    assert demo.poll() is None, demo.communicate()[0]
    pids = process_ids(state)

    os.killpg(demo.pid, signal.SIGINT)
    told, _ = demo.communicate(timeout=60)

    assert "Everything has ended" in told
    assert nothing_runs(pids)
    assert list(tmp_path.iterdir()) == []
