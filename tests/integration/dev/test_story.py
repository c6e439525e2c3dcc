"""The story that the demo plays, as one test, and the clean end of it."""

from __future__ import annotations

import io

from rich.console import Console

from devcluster.dev.demo import play
from devcluster.dev.demo.steps import STORY
from devcluster.dev.demo.tell import Tell
from devcluster.dev.state import State


def test_every_step_of_the_story_holds(system: State) -> None:
    printed = io.StringIO()

    play.perform(system, Tell(Console(file=printed, soft_wrap=True)))

    told = printed.getvalue()
    assert told.count("✓") == len(STORY)
    assert "✗" not in told
