"""Two systems on one machine, without the stand-in forge: each hears only of what is told to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devcluster.dev import control, payloads
from devcluster.dev.payloads import Forge, Repository
from devcluster.dev.repository import git
from devcluster.dev.state import Json, State, read_json
from devcluster.dev.system import Asked
from tests.support import web
from tests.support.waiting import until


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, State]]:
    folder = tmp_path_factory.mktemp("systems")
    one, other = State(folder / "one"), State(folder / "other")
    try:
        for state in (one, other):
            control.up(state, Asked(), lambda _: None)
        yield one, other
    finally:
        control.down(one)
        control.down(other)


def a_branch(known: Json, clone: Path) -> str:
    """Pushes a branch `fast` that changes payment; its commit."""
    git(clone.parent, "clone", "--quiet", known["repository"], str(clone))
    git(clone, "switch", "--quiet", "--create", "fast")
    file = clone / "payment" / "app.py"
    file.write_text(re.sub('VERSION = "1"', 'VERSION = "2"', file.read_text()))
    git(clone, "commit", "--quiet", "--all", "--message", "Faster")
    git(clone, "push", "--quiet", "origin", "fast")
    return git(clone, "rev-parse", "HEAD")


def tell(known: Json, sha: str) -> httpx.Response:
    """Sends what a forge would, with no more than endpoints.json says."""
    about = Repository(known["full_name"], known["repository"], "main", "2026-01-02T03:04:05Z")
    (opened,) = payloads.opened(Forge(), "fast", sha, about).say
    headers, body = payloads.signed(opened, known["webhook_secret"], "an-own-delivery")
    return web.post(f"{known['hooks']}/github", headers=headers, content=body)


def lanes_of_a_request(known: Json) -> list[str]:
    hops = httpx.get(known["entry"], headers={"x-preview-lane": "fast"}, timeout=60).json()["hops"]
    return [hop["lane"] for hop in hops]


def test_they_share_no_address_and_no_process(systems: tuple[State, State]) -> None:
    one, other = (read_json(state.endpoints) for state in systems)

    for key in ("hooks", "entry", "redis", "webhook_secret", "repository", "kubeconfig", "api"):
        assert one[key] != other[key]
    pids = [{pid for pids in known["processes"].values() for pid in pids} for known in (one, other)]
    assert pids[0].isdisjoint(pids[1])


def test_a_delivery_of_ones_own_opens_a_lane_in_one_of_them(
    systems: tuple[State, State], tmp_path: Path
) -> None:
    one, other = (read_json(state.endpoints) for state in systems)
    sha = a_branch(one, tmp_path / "clone")
    assert lanes_of_a_request(one) == ["", "", "", ""]

    assert tell(one, sha).status_code == 202

    until(lambda: lanes_of_a_request(one) == ["", "", "fast", ""], "the lane answers", seconds=60)
    assert lanes_of_a_request(other) == ["", "", "", ""]
