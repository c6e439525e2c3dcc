"""What git's words and names become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.git.process import last_words
from provisioner.git.refs import branch_ref, mirror_ref


def test_the_last_words_hold_neither_credentials_nor_warnings() -> None:
    said = b"warning: slow\nCloning\rfatal: unable to access 'https://bot:t0ken@github.com/a.git/': no\n"
    assert last_words(said) == "Cloning; fatal: unable to access 'https://github.com/a.git/': no"


def test_the_last_words_are_short() -> None:
    assert len(last_words(b"x" * 100_000)) <= 600
    assert last_words(b"\n".join(b"%d" % number for number in range(10))) == "6; 7; 8; 9"


@given(st.binary())
def test_any_words_can_be_said(said: bytes) -> None:
    last_words(said).encode()


@pytest.mark.parametrize("branch", ["main", "-x", "feature/a", "a.b", "ä", "it's", "@", "a@b", "x.lockx"])
def test_a_branch_that_can_exist_has_a_ref(branch: str) -> None:
    assert branch_ref(branch) == f"refs/heads/{branch}"


@given(st.text())
def test_a_ref_never_holds_what_git_forbids(branch: str) -> None:
    ref = branch_ref(branch)
    assert not any(letter in ref for letter in "\0\n\r ~^:?*[\\")
    assert ".." not in ref
    assert "@{" not in ref


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_branches_never_share_a_place_in_a_mirror(one: str, other: str) -> None:
    assert (mirror_ref(one) == mirror_ref(other)) == (one == other)
