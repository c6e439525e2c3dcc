"""What was seen of each case, in a form that can be kept, and what was expected of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.cases import REFUSED, Case
from tests.conformance.hops.client import Story
from tests.conformance.scene import BUCKET

FOLDER = Path(__file__).parents[1] / "data" / "conformance"
UNAVAILABLE = ("503", "UNAVAILABLE")  # in HTTP's words and in gRPC's
SILENT = "-"  # what a hop said that said nothing of lanes
NOBODY = "none"


@dataclass(frozen=True)
class Seen:
    """Who answered at each service by its own word, and who by what its caller heard; whether a refusal named
    lane and service, and whether the first answer gave the user a bucket."""

    way: tuple[str, ...]
    said: tuple[str, ...]
    explained: bool = False
    bucket: bool = False

    def line(self) -> str:
        """As it is kept."""
        more = "explained" if self.explained else "a bucket" if self.bucket else ""
        words = [" ".join(self.way), " ".join(self.said), more]
        return " | ".join(words).rstrip(" |")


def seen(story: Story, lane: str | None) -> Seen:
    """What a story comes to."""
    way = tuple(one.who or (REFUSED if one.status in UNAVAILABLE else one.status) for one in story)
    said = tuple(SILENT if one.said is None else one.said.removeprefix(f"{one.service}=") for one in story)
    last = story[-1]
    explained = bool(lane and not last.who and lane in last.text and last.service in last.text)
    return Seen(way, said, explained, story[0].cookie.startswith(f"{BUCKET}="))


def expected(case: Case) -> Seen:
    """What the list of cases asks for."""
    if case.lane is None:
        return Seen(case.way, (SILENT,) * len(case.way), bucket=case.bucket)
    said = tuple(NOBODY if one == REFUSED else one for one in case.way)
    if case.taken:
        said = (SILENT, *said[1:])
    return Seen(case.way, said, case.explains, case.bucket)


def kept(driver: str) -> dict[str, str]:
    """The lines of a driver's last recorded run, by the cases' ids; none where it was never recorded."""
    file = FOLDER / f"{driver}.json"
    found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return found


def keep(driver: str, lines: Mapping[str, str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{driver}.json").write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n")
