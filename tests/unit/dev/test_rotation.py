"""Logs of an embedded system do not grow without end."""

from __future__ import annotations

from pathlib import Path

from devcluster.dev.rotation import rotate


def test_a_long_log_is_emptied_under_its_writer_and_its_older_part_kept(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"older\n" * 20)
        assert rotate(log, limit=100)
        writer.write(b"newer\n")
        assert not rotate(log, limit=100)

    assert (tmp_path / "serve.log.1").read_text() == "older\n" * 20
    assert log.read_text() == "newer\n"


def test_only_one_older_part_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    for text in ("first", "second"):
        log.write_text(text)
        assert rotate(log, limit=1)

    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {
        "serve.log": "",
        "serve.log.1": "second",
    }


def test_where_there_is_no_room_for_the_older_part_the_log_is_emptied_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    log.write_text("long")
    (tmp_path / "serve.log.1").symlink_to("/dev/full")

    assert rotate(log, limit=1)

    assert log.read_text() == ""


def test_a_log_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    assert not rotate(tmp_path / "serve.log")
