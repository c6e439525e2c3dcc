"""The last commit of a service and its globs, against what git itself says."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.chain.globs import Globs
from provisioner.git import history
from provisioner.git.home import Home
from provisioner.git.process import Answer, Runner
from tests.support.origin import Origin

PATHS = ("a/1", "a/2", "a/docs/1", "b/1", "top.md")
changes = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3)
few = settings(max_examples=15, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


Steps = list[tuple[list[int], dict[str, str]]]


class Work:
    """An origin that is asked directly, as a mirror is."""

    def __init__(self, folder: Path) -> None:
        home = Home(folder / "home")
        home.prepare()
        self.origin = Origin(folder / "origin.git")
        self._runner = Runner(home.config, 20, home.environment())

    def git(self, *arguments: str) -> Answer:
        return self._runner("--git-dir", str(self.origin.path), *arguments)

    def last(self, *globs: str) -> str:
        return history.last_commit(self.git, self.origin.sha("main"), Globs(globs))


@st.composite
def histories(draw: st.DrawFn) -> Steps:
    """Commits, oldest first, each with the numbers of its parents and what it writes."""
    made: Steps = [([], {"b/1": "x"})]
    for number in range(1, draw(st.integers(2, 9))):
        parents = draw(st.sets(st.integers(max(0, number - 3), number - 1), min_size=1, max_size=2))
        made.append((sorted(parents), draw(changes)))
    return made


@few
@given(histories())
def test_for_a_folder_it_is_the_commit_that_git_log_shows(
    steps: list[tuple[list[int], dict[str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder))
        shas: list[str] = []
        for parents, files in steps:
            shas.append(work.origin.commit("main", files, parents=[shas[number] for number in parents]))
        for folder_name in ("a", "a/docs", "b"):
            expected = work.origin.git("log", "-1", "--format=%H", "main", "--", folder_name)
            assert work.last(f"{folder_name}/**") == expected


def test_a_merge_that_took_one_side_touched_nothing(tmp_path: Path) -> None:
    work = Work(tmp_path)
    start = work.origin.commit("main", {"a/1": "x", "b/1": "x"})
    side = work.origin.commit("side", {"a/1": "y"}, parents=[start])
    other = work.origin.commit("main", {"b/1": "y"}, parents=[start])
    work.origin.commit("main", {"a/1": "y"}, parents=[other, side])
    assert work.last("a/**") == side
    assert work.last("a/*") == side
    assert work.last("*/1", "!b/**") == side


def test_a_merge_that_made_something_new_is_the_last_commit(tmp_path: Path) -> None:
    work = Work(tmp_path)
    start = work.origin.commit("main", {"a/1": "x"})
    side = work.origin.commit("side", {"a/1": "y"}, parents=[start])
    other = work.origin.commit("main", {"a/1": "z"}, parents=[start])
    merge = work.origin.commit("main", {"a/1": "both"}, parents=[other, side])
    assert work.last("a/**") == merge


def test_it_is_found_behind_many_commits_that_only_the_folder_shares(tmp_path: Path) -> None:
    work = Work(tmp_path)
    wanted = work.origin.commit("main", {"a/code": "1"})
    for number in range(80):
        work.origin.commit("main", {"a/docs/1": str(number)})
    assert work.last("a/**", "!a/docs/**") == wanted


def test_odd_paths_do_not_confuse_the_reading_of_the_log(tmp_path: Path) -> None:
    work = Work(tmp_path)
    wanted = work.origin.commit("main", {"a/new\nline": "1", "\n": "1", "-x": "1", "0" * 40: "1"})
    work.origin.commit("main", {"b/\n\n": "1"})
    assert work.last("a/**") == work.last("a/new*", "!b/**") == work.last("0*") == wanted


def test_a_path_that_nothing_touched_has_no_commit(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.origin.commit("main", {"a/1": "x"})
    assert work.last("nowhere/**") == work.last("*.none") == ""


NAMES = st.sampled_from(["a", "b", "docs", "x.md", "a b", "abc"])  # git counts bytes, Globs characters
TREE = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["a", "b", "docs", "*", "**", "*.md", "?", "[ab]", "x.*", "a*"])
STEMS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
GLOB = (
    st.tuples(st.sampled_from(["", "/"]), STEMS, st.sampled_from(["", "/**"]))
    .map("".join)
    .filter(lambda glob: not glob.endswith("/*"))  # reaches folders in gitignore, since git then skips them
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worktree")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(GLOB, min_size=1, max_size=3), st.sets(TREE, min_size=1, max_size=12))
def test_globs_match_what_gitignore_would(empty: Path, patterns: list[str], paths: set[str]) -> None:
    (empty / ".git/info/exclude").write_text("\n".join(patterns) + "\n")
    none = f"core.excludesFile={empty}/none"
    asked = subprocess.run(
        ["git", "-C", str(empty), "-c", none, "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(sorted(paths)).encode(),
        capture_output=True,
        check=False,
    )
    matched = set(filter(None, asked.stdout.decode().split("\0")))
    assert {path for path in paths if Globs(patterns).decide(path)} == matched
