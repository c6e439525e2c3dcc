"""What the soak's clients call wrong: a checker that lets something pass proves nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.soak_shop import SERVICES
from bench.soak_traffic import Answer, verdicts

PLAIN = tuple({"service": name, "version": "baseline", "lane": ""} for name in SERVICES)
MINE = {"service": "payment", "version": "work-01/7", "lane": "work-01"}
MIXED = (*PLAIN[:2], MINE, PLAIN[3])
ENTRY = ({"service": "frontend", "version": "work-01/7", "lane": "work-01"}, *PLAIN[1:])

UNTAGGED = Answer("", 200, "", PLAIN)
TAGGED = Answer("work-01", 200, "frontend=baseline", MIXED)


@pytest.mark.parametrize(
    "answer",
    [
        UNTAGGED,
        TAGGED,
        replace(TAGGED, hops=PLAIN),
        replace(TAGGED, hops=ENTRY, served="frontend=work-01"),
    ],
    ids=["untagged", "through a copy", "baseline only", "entered by a copy"],
)
def test_a_right_answer_is_right(answer: Answer) -> None:
    assert verdicts(answer) == []


@pytest.mark.parametrize(
    "answer",
    [
        replace(UNTAGGED, hops=MIXED),
        replace(UNTAGGED, served="frontend=baseline"),
        replace(UNTAGGED, hops=({**PLAIN[0], "version": "work-01/7"}, *PLAIN[1:])),
        replace(TAGGED, lane="work-0"),
        replace(TAGGED, hops=({**MINE, "version": "work-02/7"}, *PLAIN[1:])),
        replace(TAGGED, hops=ENTRY),
        replace(TAGGED, served="frontend=work-01"),
        replace(TAGGED, served=""),
        replace(TAGGED, status=502, served="", hops=({**MINE, "lane": "work-02"},)),
    ],
    ids=[
        "untagged through a copy",
        "untagged with a header",
        "untagged with another version",
        "another lane whose name begins so",
        "a version of another lane",
        "entered by a copy that is not named",
        "entered by the baseline that is not named",
        "nobody named",
        "failed behind another lane",
    ],
)
def test_who_met_what_is_not_theirs_is_astray(answer: Answer) -> None:
    assert "wrong lane" in verdicts(answer)


@pytest.mark.parametrize("failure", [{"status": 503}, {"status": 0, "hops": ()}, {"hops": PLAIN[:3]}])
def test_a_failure_is_told_apart_by_who_asked(failure: dict[str, object]) -> None:
    assert verdicts(replace(UNTAGGED, **failure)) == ["baseline error"]  # type: ignore[arg-type]
    assert "lane error" in verdicts(replace(TAGGED, **failure))  # type: ignore[arg-type]
