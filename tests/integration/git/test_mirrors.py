"""Mirrors are shared, fetched only when there is news, small, and bounded."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.git.space import make_room, size
from tests.support.commands import program
from tests.support.origin import Origin

from .conftest import Reader, service


def objects(mirror: Path) -> list[str]:
    """The type of every object that the mirror holds."""
    command = ["git", "-C", str(mirror), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def packs(mirrors: Path) -> set[str]:
    return {path.name for path in mirrors.glob("*.git/objects/pack/*.pack")}


def test_a_push_fetches_only_what_is_new(origin: Origin, read: Reader, mirrors: Path) -> None:
    origin.commit("main", {f"libs/{number}/code.py": str(number) for number in range(500)})
    origin.branch("fix", {"services/payment/app.py": "1"})
    read("fix")
    [mirror] = mirrors.glob("*.git")
    before = len(objects(mirror))
    origin.commit("fix", {"services/payment/app.py": "2"})
    read("fix")
    assert before > 500
    assert len(objects(mirror)) - before <= 4, "a commit and its three trees"


def test_a_mirror_holds_no_files_contents(origin: Origin, read: Reader, mirrors: Path) -> None:
    origin.branch("fix", {"services/payment/big.bin": os.urandom(500_000)})
    read("fix")
    [mirror] = mirrors.glob("*.git")
    assert set(objects(mirror)) == {"commit", "tree"}
    assert size(mirror) < 200_000


def test_branches_that_nobody_asked_for_are_not_fetched(origin: Origin, read: Reader, mirrors: Path) -> None:
    origin.branch("fix", {"a": "1"})
    other = origin.branch("other", {"b": "1"})
    origin.git("tag", "v1", other)
    read("fix")
    [mirror] = mirrors.glob("*.git")
    shown = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "-e", other], capture_output=True, check=False
    )
    assert shown.returncode != 0


def test_without_news_nothing_is_fetched(
    origin: Origin, reader: Callable[..., Reader], mirrors: Path
) -> None:
    origin.branch("fix", {"a": "1"})
    reader()("fix")
    before = packs(mirrors)
    reader()("fix")
    assert packs(mirrors) == before != set()


def test_the_same_heads_again_cost_one_question_to_the_repository(
    origin: Origin, read: Reader, mirrors: Path
) -> None:
    """Without its mirror, only what is known can answer."""
    origin.branch("fix", {"services/payment/app.py": "1"})
    first = read("fix")
    [mirror] = mirrors.glob("*.git")
    shutil.rmtree(mirror)
    later = replace(read.member("fix"), pull=8)
    again = read.repositories.read(read.chain, read.repository, later)
    assert again == replace(first, member=later)
    assert not list(mirrors.glob("*.git"))


def test_what_is_known_of_one_chain_is_not_taken_for_another(origin: Origin, read: Reader) -> None:
    head = origin.branch("fix", {"services/payment/app.py": "1"})
    assert read("fix").service_shas == {}
    payment = service("payment", image="{service_sha}")
    assert read("fix", payment).service_shas == {"payment": head}


def test_a_base_that_moved_is_noticed(origin: Origin, read: Reader) -> None:
    head = origin.branch("fix", {"services/payment/app.py": "1"})
    assert read("fix").paths == ("services/payment/app.py",)
    origin.git("update-ref", "refs/heads/main", head)
    assert read("fix").paths == ()


def test_a_head_that_another_branch_brought_is_not_fetched_again(
    origin: Origin, read: Reader, mirrors: Path
) -> None:
    origin.branch("fix", {"a": "1"})
    read("fix")
    before = packs(mirrors)
    origin.git("update-ref", "refs/heads/copy", "refs/heads/fix")
    assert read("copy").head == origin.sha("fix")
    assert packs(mirrors) == before


def test_many_branches_at_once_are_all_read(origin: Origin, reader: Callable[..., Reader]) -> None:
    heads = {
        f"branch-{number}": origin.branch(f"branch-{number}", {f"services/payment/{number}": "1"})
        for number in range(12)
    }
    readers = [reader() for _ in heads]
    with ThreadPoolExecutor(6) as pool:
        sources = list(pool.map(lambda one, branch: one(branch), readers, heads))
    assert {source.member.ref: source.head for source in sources} == heads
    assert {source.paths for source in sources} == {(f"services/payment/{n}",) for n in range(12)}


PROCESS = """
import sys
from datetime import UTC, datetime
from dataclasses import replace
from pathlib import Path
from provisioner.chain.model import Chain, Repository
from provisioner.git import Repositories
from provisioner.lane.model import Member
url, root, *branches = sys.argv[1:]
repository = Repository(url, "acme/shop")
repositories = Repositories(Path(root), max_bytes=10**9, timeout=30)
for branch in branches:
    member = Member("acme/shop", branch, "", 7, datetime.now(UTC))
    print(repositories.read(Chain("shop", (repository,), ()), repository, member).head)
"""


def test_several_processes_share_the_folder(origin: Origin, mirrors: Path) -> None:
    heads = [origin.branch(f"branch-{number}", {f"{number}": "1"}) for number in range(6)]
    branches = [f"branch-{number}" for number in range(6)]
    command = [sys.executable, "-c", PROCESS, origin.url, str(mirrors), *branches]
    with ExitStack() as stack:
        several = [stack.enter_context(program(command, stdout=subprocess.PIPE)) for _ in range(3)]
        for process in several:
            output, _ = process.communicate(timeout=60)
            assert output.decode().split() == heads


def test_many_pushes_do_not_pile_up(
    origin: Origin, read: Reader, mirrors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioner.git.mirror.MOST_PACKS", 5)
    origin.branch("long", {"a": "0"})
    read("long")
    for number in range(12):
        origin.branch(f"short-{number}", {"a": str(number)})
        assert read(f"short-{number}").paths == ("a",)
    assert len(packs(mirrors)) <= 6
    assert len(list(mirrors.glob("*.git/refs/laneway/*"))) <= 8
    assert read("long").head == origin.sha("long")


@pytest.fixture
def three(tmp_path: Path, mirrors: Path) -> list[Reader]:
    """Readers of three repositories of about one size, over the same mirrors."""
    readers = []
    for number in range(3):
        origin = Origin(tmp_path / f"forge/{number}.git")
        origin.commit("main", {f"{os.urandom(30).hex()}": "1" for _ in range(1000)})
        origin.branch("fix", {"b": "1"})
        readers.append(Reader(origin, mirrors))
    return readers


def names(mirrors: Path) -> list[str]:
    return sorted(path.name[0] for path in mirrors.glob("*.git"))


def test_the_mirror_that_was_used_longest_ago_makes_room(three: list[Reader], mirrors: Path) -> None:
    for read in (*three[:2], three[0]):
        read("fix")
    [one, _] = (size(path) for path in mirrors.glob("*.git"))
    Reader(three[2].origin, mirrors, max_bytes=int(one * 2.5))("fix")
    assert names(mirrors) == ["0", "2"]
    assert three[1]("fix").paths == ("b",), "it comes back when it is wanted"


def test_a_mirror_in_use_is_never_removed(three: list[Reader], mirrors: Path) -> None:
    for read in three:
        read("fix")
    [lock] = mirrors.glob("0-*.use")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        removed = make_room(mirrors, 0)
    assert len(removed) == 2
    assert names(mirrors) == ["0"]


def test_a_mirror_that_goes_while_it_is_measured_counts_what_was_seen(tmp_path: Path) -> None:
    stopped = threading.Event()

    def come_and_go() -> None:
        while not stopped.is_set():
            (tmp_path / "one.git" / "objects" / "info").mkdir(parents=True)
            (tmp_path / "one.git" / "objects" / "info" / "packs").write_text("x")
            shutil.rmtree(tmp_path / "one.git")

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        assert {size(tmp_path) for _ in range(2000)} <= {0, 1}
    finally:
        stopped.set()
        other.join()
