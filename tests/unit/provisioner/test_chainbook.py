"""Chain files that change while a process runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.chain.book import LOOK_SECONDS, ChainBook
from provisioner.chain.model import Chain
from provisioner.errors import ConfigError, PermanentError


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def load(path: Path) -> tuple[Chain, ...]:
    """A chain for each word of the file; "wrong" is a mistake."""
    words = (path / "chains").read_text().split() if path.is_dir() else []
    if not words or "wrong" in words:
        raise ConfigError("a mistake", where=str(path))
    return tuple(Chain(word, (), ()) for word in words)


def write(folder: Path, text: str) -> None:
    """Writes the file with a time of its own, however fast the test is."""
    file = folder / "chains"
    earlier = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(earlier + 1_000_000, earlier + 1_000_000))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> ChainBook:
    write(tmp_path, "shop")
    return ChainBook(tmp_path, load, clock)


def test_a_mistake_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a mistake"):
        ChainBook(tmp_path / "nowhere", load)


def test_a_changed_file_is_read_within_two_seconds(book: ChainBook, clock: Clock, tmp_path: Path) -> None:
    write(tmp_path, "shop bakery")
    assert list(book.chains()) == ["shop"]
    clock.now += LOOK_SECONDS
    assert list(book.chains()) == ["shop", "bakery"]


def test_a_mistake_keeps_the_last_good_file_until_it_is_mended(
    book: ChainBook, clock: Clock, tmp_path: Path
) -> None:
    write(tmp_path, "wrong")
    clock.now += LOOK_SECONDS
    assert list(book.chains()) == ["shop"]
    assert "a mistake" in str(book.problem)
    write(tmp_path, "bakery")
    clock.now += LOOK_SECONDS
    assert list(book.chains()) == ["bakery"]
    assert book.problem is None


def test_files_that_vanish_keep_the_last_good_ones(book: ChainBook, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "chains").unlink()
    tmp_path.rmdir()
    clock.now += LOOK_SECONDS
    assert list(book.chains()) == ["shop"]
    assert book.problem is not None


def test_a_chain_that_no_file_describes_is_said_by_name(book: ChainBook) -> None:
    with pytest.raises(PermanentError, match="bakery"):
        book.get("bakery")
