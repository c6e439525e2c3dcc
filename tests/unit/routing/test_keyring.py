"""The key file beside the chain files: what the router starts with, and what changes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.chain.model import Chain, Entry
from provisioner.errors import ConfigError, LanewayError
from provisioner.routing import keyring
from provisioner.routing.keyring import Keyring

KEY, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
OPEN = Chain("shop", (), ())
LINKED = replace(OPEN, entry=Entry("frontend", "{lane}.example.com", link="preview"))


class Book:
    def __init__(self, chain: Chain) -> None:
        self.problem: LanewayError | None = None
        self.chain = chain

    def chains(self) -> Mapping[str, Chain]:
        return {self.chain.name: self.chain}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "keys"
    made.write_text(KEY)
    return made


def test_a_chain_without_links_needs_no_key() -> None:
    found = Keyring(Book(OPEN), None)
    assert found.chains() == {"shop": OPEN}
    assert found.keys() == ()


def test_a_chain_with_links_does_not_start_without_a_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Keyring(Book(LINKED), None)
    assert str(caught.value).startswith("LANEWAY_LINK_KEYS_FILE: chain shop has signed links (entry.link)")
    assert "openssl rand -hex 32" in str(caught.value)


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "absent", tmp_path):
        with pytest.raises(ConfigError, match=rf"LANEWAY_LINK_KEYS_FILE: {file}: .* cannot be read"):
            Keyring(Book(OPEN), file)


def test_a_key_file_that_is_no_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff\xfe" * 32)
    with pytest.raises(ConfigError, match="cannot be read"):
        keyring.load(file)


def test_a_key_that_is_too_short_does_not_start_the_router(file: Path) -> None:
    file.write_text("secret")
    with pytest.raises(ConfigError, match="can be guessed"):
        Keyring(Book(LINKED), file)


def test_a_new_key_counts_from_the_next_look_on(file: Path) -> None:
    found = Keyring(Book(LINKED), file)
    file.write_text(f"{OTHER}\n{KEY}\n")
    found.chains()
    assert found.keys() == (OTHER.encode(), KEY.encode())


def test_a_wrong_new_key_file_changes_nothing_and_is_said(file: Path) -> None:
    found = Keyring(Book(LINKED), file)
    file.write_text("short")
    assert found.chains() == {"shop": LINKED}
    assert found.keys() == (KEY.encode(),)
    assert "can be guessed" in str(found.problem)
    file.write_text(OTHER)
    found.chains()
    assert (found.keys(), found.problem) == ((OTHER.encode(),), None)


def test_a_chain_that_gets_links_without_a_key_stays_as_it_was_and_is_said() -> None:
    book = Book(OPEN)
    found = Keyring(book, None)
    book.chain = LINKED
    assert found.chains() == {"shop": OPEN}
    assert "there is no key" in str(found.problem)


def test_what_is_wrong_with_the_chain_files_is_said_first(file: Path) -> None:
    book = Book(OPEN)
    found = Keyring(book, file)
    book.problem = ConfigError("no chain")
    assert found.problem is book.problem
