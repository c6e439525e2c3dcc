"""`laneway release status --watch`: the picture while it changes, until the release is over.

On a terminal the picture is drawn again in place; elsewhere, such as in a pipeline's log, each change is a
line. A cluster that does not answer is said and asked again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from provisioner.cluster import Cluster
from provisioner.commands.release import picture, words
from provisioner.errors import InputError, TemporaryError
from provisioner.release import store
from provisioner.release.model import Phase, Release

LOOK_SECONDS = 0.5
STOPPED = 130  # as of any command that Ctrl-C ends

Seen = tuple[Release, str]  # the release as it was read last, and why it could not be read since


def until_over(cluster: Cluster, release: Release, pause: Callable[[float], None] = time.sleep) -> int:
    """Shows the release until it is over: 0 when it has succeeded, 1 when it was taken back; 130 when whoever
    watches does not want to any more (Ctrl-C). InputError when somebody deletes it meanwhile."""
    seen = _looks(cluster, release, pause)
    try:
        last = _draw(seen) if sys.stdout.isatty() else _tell(seen)
    except KeyboardInterrupt:
        abort = f"laneway release abort {release.chain} {release.name}"
        print(f"the release goes on without being watched; to end it: {abort}", file=sys.stderr)
        return STOPPED
    return 0 if last.phase is Phase.SUCCEEDED else 1


def _looks(cluster: Cluster, release: Release, pause: Callable[[float], None]) -> Iterator[Seen]:
    """The release again and again; the last one is over."""
    yield release, ""
    while not release.phase.over:
        pause(LOOK_SECONDS)
        try:
            release, trouble = _read(cluster, release), ""
        except TemporaryError as error:
            trouble = str(error)
        yield release, trouble


def _read(cluster: Cluster, release: Release) -> Release:
    found = store.read(cluster, release.chain, release.name)
    if found is None or found.uid != release.uid:
        where = f"release {release.name} of chain {release.chain}"
        raise InputError(
            "somebody has deleted it; its lane goes, and everybody has the baseline", where=where
        )
    return found


def _draw(looks: Iterator[Seen]) -> Release:
    console = Console(highlight=False, emoji=False)
    release, trouble = next(looks)
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            shown = picture.drawn(release, datetime.now(UTC), console)
            if trouble:
                shown.renderables.append(Text(trouble, style="red"))
            live.update(shown)
            following = next(looks, None)
            if following is None:
                return release
            release, trouble = following


def _tell(looks: Iterator[Seen]) -> Release:
    before: Release | None = None
    complaint = ""
    for release, trouble in looks:
        for line in words.news(before, release):
            print(line, flush=True)
        if trouble and trouble != complaint:
            print(f"cannot look: {trouble}", file=sys.stderr, flush=True)
        before, complaint = release, trouble
    assert before is not None  # there is a first look
    return before
