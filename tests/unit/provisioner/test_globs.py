"""Globs in gitignore's terms."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import PathSpec

from provisioner.chain.globs import Globs, Match, check, globs

NAMES = st.sampled_from(["a", "b", "docs", "x.md", "a b", "ä", "new\nline", "[z]", ".git"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["a", "b", "docs", "*", "**", "*.md", "?", "[ab]", "x.*", "a*", "ä"])
GLOBS = st.builds(
    lambda negated, rooted, parts, folder: negated + rooted + "/".join(parts) + folder,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/", "/**"]),
)


@pytest.mark.parametrize(
    ("patterns", "path", "by"),
    [
        (["a/**"], "a/b/c", "a/**"),
        (["a/**"], "ab/c", ""),
        (["a/**"], "x/a/c", ""),
        (["a/**"], "a", ""),
        (["a"], "x/a/c", "a"),
        (["a/"], "a/c", "a/"),
        (["/a"], "a", "/a"),
        (["/a"], "x/a", ""),
        (["a/b"], "a/b/c", "a/b"),
        (["a/b "], "a/b", "a/b "),
        (["*.md"], "deep/down/x.md", "*.md"),
        (["**/docs/*.md"], "a/docs/x.md", "**/docs/*.md"),
        (["a/*/c"], "a/b/c", "a/*/c"),
        (["a/*/c"], "a/b/b/c", ""),
        (["a/*"], "a/b", "a/*"),
        (["a/*"], "a/b/c", ""),
        (["a/**", "!a/docs/**"], "a/docs/x", ""),
        (["a/**", "!a/docs/**"], "a/code/x", "a/**"),
        (["!a/docs/**", "a/**"], "a/docs/x", "a/**"),
        (["a/**", "!a/docs/**", "a/docs/keep"], "a/docs/keep", "a/docs/keep"),
        (["!a"], "b", ""),
        (["a/**"], "a/new\nline/x", "a/**"),
        (["*.md"], "new\nline/x.md", "*.md"),
        (["*.md"], "x.md\n", ""),
        (["a/**"], "A/b", ""),
        ([], "a", ""),
    ],
)
def test_the_last_glob_that_matches_decides(patterns: list[str], path: str, by: str) -> None:
    assert Globs(patterns).decide(path) == by


@pytest.mark.parametrize("glob", ["", "  ", "!", "#comment", "a\\", "[z-a]"])
def test_what_is_no_glob_is_refused_by_name(glob: str) -> None:
    with pytest.raises(ValueError, match="is not a glob") as caught:
        check(glob)
    assert repr(glob) in str(caught.value)
    with pytest.raises(ValueError, match="is not a glob"):
        globs(("a/**", glob))


def test_the_first_match_comes_with_the_number_of_all() -> None:
    assert Globs(["a/**"]).first(["b/1", "a/1", "a/2"]) == Match("a/1", "a/**", 2)
    assert Globs(["a/**"]).first(["b/1"]) is None


@given(st.lists(GLOBS, min_size=1, max_size=4), PATHS)
def test_the_quick_way_out_never_changes_a_decision(patterns: list[str], path: str) -> None:
    slow = PathSpec.from_lines("gitignore", patterns).match_file(path.replace("\n", "\r"))
    assert bool(Globs(patterns).decide(path)) == slow


@given(st.lists(GLOBS, min_size=1, max_size=4), PATHS)
def test_every_match_lies_in_the_folders(patterns: list[str], path: str) -> None:
    wanted = Globs(patterns)
    if wanted.decide(path):
        assert not wanted.folders or any(path.startswith(f"{folder}/") for folder in wanted.folders)


def test_a_large_change_is_decided_fast() -> None:
    paths = [f"services/{number % 40}/src/deep/down/{number}.py" for number in range(20_000)]
    start = time.process_time()
    for number in range(40):
        match = Globs([f"services/{number}/**", f"!services/{number}/docs/**"]).first(paths)
        assert match is not None
        assert match.count == 500
    assert time.process_time() - start < 5
