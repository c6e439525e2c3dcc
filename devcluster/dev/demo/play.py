"""Plays the story on a system of its own, and leaves nothing behind: no process, no file."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.markup import escape

from devcluster.dev import control, show
from devcluster.dev.demo import hints
from devcluster.dev.demo.stage import Stage
from devcluster.dev.demo.steps import STORY
from devcluster.dev.demo.tell import StepFailed, Tell
from devcluster.dev.repository import git
from devcluster.dev.state import State, read_json
from devcluster.dev.system import Asked
from provisioner.errors import LanewayError

WHAT_IT_IS = """
[bold]Laneway[/] gives every branch a [bold]lane[/]: a copy of only the services that the branch
changed, beside the services that everybody uses (the [bold]baseline[/]). A request that
names the lane passes through the branch's copies, and through the baseline
everywhere else.
"""


def play(*, once: bool) -> int:
    """The whole story; 0 only if every step held. Without `once` it stays up until Ctrl-C."""
    tell = Tell()
    tell.say(WHAT_IT_IS)
    began = time.monotonic()
    with _interruptible(), _folder() as folder:
        state = State(folder / "system")
        try:
            return _play(state, tell, began, once=once)
        except KeyboardInterrupt:
            tell.say("\nEnding everything ...")
            return 0 if not once else 130
        except (StepFailed, LanewayError) as error:
            _tell_failure(state, tell, error)
            return 1
        finally:
            _end(state, tell)


def _play(state: State, tell: Tell, began: float, *, once: bool) -> int:
    tell.say("[bold]Starting the system[/]: a queue, a cluster, four services, and Laneway beside them")
    control.up(state, Asked(forge=True), show.step, tied=True)
    perform(state, tell)
    tell.say(f"\n[bold green]Every step held[/], in {time.monotonic() - began:.1f} s with the start.")
    if not once:
        hints.show(state, tell)
        signal.pause()
    return 0


def perform(state: State, tell: Tell) -> None:
    """The steps, on an embedded system that is up with its stand-in forge. Raises StepFailed at the first
    that does not hold."""
    endpoints = read_json(state.endpoints)
    clone = state.root / "clone"
    git(state.root, "clone", "--quiet", endpoints["repository"], str(clone))
    git(clone, "config", "user.name", "You")
    git(clone, "config", "user.email", "you@example.invalid")
    enact(Stage(endpoints, clone, tell))


def enact(stage: Stage) -> None:
    """The steps, on whatever cluster the stage is. Raises StepFailed at the first that does not hold."""
    try:
        for step in STORY:
            with stage.tell.step(step.letter, step.title):
                step.act(stage)
    finally:
        stage.close()


def _tell_failure(state: State, tell: Tell, error: Exception) -> None:
    """What was wrong, unless its step told it already, and where the logs are now, if there are any."""
    kept = _kept_logs(state) if state.logs.exists() else state.logs
    if isinstance(error, LanewayError):
        tell.say(escape(str(error).replace(str(state.logs), str(kept))))
    tell.say("\nThe demo did not hold." + (f" The logs are kept in {kept}" if kept != state.logs else ""))


def _kept_logs(state: State) -> Path:
    """A copy of the logs, for who wants to know why; the rest is removed."""
    kept = Path(tempfile.mkdtemp(prefix="laneway-demo-logs-"))
    shutil.copytree(state.logs, kept, dirs_exist_ok=True)
    return kept


def _end(state: State, tell: Tell) -> None:
    """Ends the system; a second Ctrl-C does not keep it from that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    began = time.monotonic()
    control.down(state)
    tell.say(f"[dim]Everything has ended, in {time.monotonic() - began:.1f} s.[/]")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="laneway-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does."""
    kept = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    kept[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
