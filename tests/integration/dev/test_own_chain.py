"""A chain of somebody's own, in the embedded system: other names, another namespace, no shop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devcluster.dev import control
from devcluster.dev.repository import git
from devcluster.dev.state import State, holder, read_json
from devcluster.dev.system import Asked
from tests.support.waiting import until

CHAIN = """
chain: mini
namespace: other
repositories: [{url: https://git.example.com/acme/mini.git}]
services:
  web: {paths: ["web/**"], workload: Deployment/web-app, image: "git+{repository}@{sha}#web"}
entry: {service: web, host: "{lane}.mini.localhost"}
"""
MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-app}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: any
          command: [python, -m, http.server, --bind, $(POD_IP), "9000"]
          env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
          readinessProbe: {tcpSocket: {port: 9000}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 9000}]}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mini"
    (folder / "web").mkdir(parents=True)
    (folder / "k8s").mkdir()
    (folder / "web" / "index.html").write_text("baseline")
    (folder / "k8s" / "all.yaml").write_text(MANIFESTS)
    (folder / "laneway.yaml").write_text(CHAIN)
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "system")
    yield state
    control.down(state)


def up(state: State, source: Path) -> None:
    asked = Asked(source / "laneway.yaml", source / "k8s", source, forge=True)
    control.up(state, asked, lambda _: None)


def a_branch(state: State, clone: Path) -> None:
    git(state.root, "clone", "--quiet", read_json(state.endpoints)["repository"], str(clone))
    git(clone, "switch", "--quiet", "--create", "mine")
    (clone / "web" / "index.html").write_text("mine")
    git(clone, "commit", "--quiet", "--all", "--message", "Mine")
    git(clone, "push", "--quiet", "origin", "mine")


def answer(state: State, lane: str = "") -> str:
    headers = {"x-preview-lane": lane} if lane else {}
    return httpx.get(read_json(state.endpoints)["entry"], headers=headers, timeout=60).text


def test_its_branches_get_lanes_which_outlive_a_killed_system(
    state: State, source: Path, tmp_path: Path
) -> None:
    up(state, source)
    known = read_json(state.endpoints)
    assert (known["namespace"], known["full_name"], known["entry_domain"]) == (
        "other",
        "acme/mini",
        "mini.localhost",
    )
    a_branch(state, tmp_path / "clone")
    until(lambda: answer(state, "mine") == "mine", "the lane answers", seconds=60)

    os.kill(holder(state) or 0, signal.SIGKILL)
    until(lambda: holder(state) is None, "the system has ended")
    up(state, source)

    until(lambda: answer(state, "mine") == "mine", "the lane answers again", seconds=60)
    assert answer(state) == "baseline"


def test_a_chain_file_that_is_wrong_is_said_and_nothing_runs(state: State, source: Path) -> None:
    (source / "laneway.yaml").write_text(CHAIN.replace("namespace:", "namespce:"))

    with pytest.raises(control.EmbeddedSystemError, match="namespce"):
        up(state, source)

    assert holder(state) is None


def test_manifests_that_are_not_yaml_are_named_and_nothing_runs(state: State, source: Path) -> None:
    (source / "k8s" / "all.yaml").write_text("kind: {")

    with pytest.raises(control.EmbeddedSystemError, match=r"all\.yaml: not YAML"):
        up(state, source)

    assert holder(state) is None


def test_an_error_that_nobody_foresaw_ends_the_start_with_its_words(state: State, source: Path) -> None:
    (source / "k8s" / "all.yaml").write_text(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web-app}}"
    )

    with pytest.raises(control.EmbeddedSystemError, match="KeyError: 'spec'"):
        up(state, source)

    assert holder(state) is None


def test_a_file_that_is_not_there_is_named(state: State, source: Path) -> None:
    with pytest.raises(control.EmbeddedSystemError, match=r"no-such\.yaml"):
        control.up(state, Asked(chain=source / "no-such.yaml"), lambda _: None)


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for place in ("file", "file/below"):
        with pytest.raises(control.EmbeddedSystemError, match=f"{place}: cannot be made a folder.*--state"):
            control.up(State(tmp_path / place), Asked(), lambda _: None)


def test_without_git_that_is_said_before_anything_runs(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(control.EmbeddedSystemError, match="git is not on PATH"):
        control.up(state, Asked(), lambda _: None)
