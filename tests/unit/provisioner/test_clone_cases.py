"""Copies of realistic baselines, held against files.

Each `NAME.in.yaml` in tests/data/clone has a service of the chain, an image and the objects of its namespace;
`NAME.out.yaml` is what the lane is to own, or why the service is refused. Dropping in a pair adds a case;
LANEWAY_REGENERATE=1 writes the expected files anew, to be read before they are committed.
"""

from __future__ import annotations

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import baseline as b
from tests.support import clones

Json = dict[str, Any]


def outcome(case: Json) -> Json:
    made = clones.planned(case, b.lane())
    if made.problems:
        problem = made.problems[case["service"]["name"]]
        return {"refused": str(problem), "reason": problem.reason}
    return {"owned": list(made.desired)}


@pytest.mark.parametrize("path", clones.CASES, ids=clones.name)
def test_a_copy_is_as_expected(path: Path) -> None:
    case = clones.read(path)
    before = deepcopy(case)
    found = outcome(case)
    assert case == before, "the input was changed"
    expected = path.with_name(path.name.replace(".in.", ".out."))
    if os.environ.get("LANEWAY_REGENERATE"):
        expected.write_text(yaml.safe_dump(found, sort_keys=False, width=110))
    assert clones.read(expected) == found


@pytest.mark.parametrize("path", clones.CASES, ids=clones.name)
def test_only_what_is_refused_is_called_so(path: Path) -> None:
    assert ("refused" in outcome(clones.read(path))) is path.name.startswith("refused-")


def test_there_are_cases_of_both_kinds() -> None:
    assert len(clones.COPIED) >= 8 and len(clones.CASES) - len(clones.COPIED) >= 10
