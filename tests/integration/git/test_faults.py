"""What happens when the repository, the disk or the worker gives up half-way."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from provisioner.chain.model import Repository
from provisioner.errors import GitError
from provisioner.git import Repositories
from tests.support.gitserver import Door, Silent, daemon
from tests.support.origin import Origin
from tests.support.waiting import until

from .conftest import Reader


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.stop()


@pytest.fixture
def door(origin: Origin) -> Iterator[Door]:
    with daemon(origin.path.parents[1]) as port:
        made = Door(port)
        yield made
        made.stop()


def through(door: Door, reader: Reader) -> Reader:
    """`reader`, with the repository behind `door`."""
    reader.repository = replace(reader.repository, url=f"git://{door.address}/acme/shop.git")
    return reader


def ours(mirrors: Path) -> list[psutil.Process]:
    """The processes that work in this test's mirrors."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("GIT_CONFIG_GLOBAL", "").startswith(str(mirrors)):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("scheme", ["git", "http"])
def test_a_server_that_never_answers_is_given_up_with_all_that_git_started(
    silent: Silent, mirrors: Path, scheme: str
) -> None:
    repositories = Repositories(mirrors, max_bytes=10**9, timeout=0.5)
    start = time.monotonic()
    with pytest.raises(GitError, match=r"acme/shop: git did not end within 0\.5 s"):
        repositories.heads(Repository(f"{scheme}://{silent.address}/shop.git", "acme/shop"))
    assert time.monotonic() - start < 10
    until(lambda: silent.closed > 0, "the connection is closed")
    until(lambda: not ours(mirrors), "no process is left")


def test_an_unreachable_repository_is_temporary_and_says_what_git_said(mirrors: Path, tmp_path: Path) -> None:
    repositories = Repositories(mirrors, max_bytes=10**9, timeout=10)
    with pytest.raises(GitError, match=r"acme/shop: the repository does not answer: .*nowhere") as caught:
        repositories.heads(Repository(str(tmp_path / "nowhere.git"), "acme/shop"))
    assert caught.value.reason == "RepositoryUnavailable"


def test_an_url_never_runs_a_command(mirrors: Path, tmp_path: Path) -> None:
    repositories = Repositories(mirrors, max_bytes=10**9, timeout=10)
    for url in (f"ext::touch {tmp_path}/pwned", f"--upload-pack=touch {tmp_path}/pwned"):
        with pytest.raises(GitError):
            repositories.heads(Repository(url, "acme/shop"))
    assert not (tmp_path / "pwned").exists()


def test_a_fetch_that_hangs_half_way_is_given_up_and_the_next_one_works(
    origin: Origin, door: Door, reader: Callable[..., Reader], mirrors: Path
) -> None:
    head = origin.branch("fix", {"services/payment/data": os.urandom(1_000_000)})
    door.limit = 100_000
    with pytest.raises(GitError, match="did not end within"):
        through(door, reader(timeout=1.0))("fix")
    assert door.stuck == 1
    until(lambda: not ours(mirrors), "no process is left")
    door.release()
    assert through(door, reader())("fix").head == head


WORKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from provisioner.chain.model import Chain, Repository
from provisioner.git import Repositories
from provisioner.lane.model import Member
url, root = sys.argv[1:]
repository = Repository(url, "acme/shop")
member = Member("acme/shop", "fix", "", 7, datetime.now(UTC))
chain = Chain("shop", (repository,), ())
Repositories(Path(root), max_bytes=10**9, timeout=20).read(chain, repository, member)
"""


def test_a_killed_worker_leaves_a_fetch_that_nobody_writes_beside_and_the_next_one_heals(
    origin: Origin, door: Door, reader: Callable[..., Reader], mirrors: Path
) -> None:
    head = origin.branch("fix", {"services/payment/data": os.urandom(1_000_000)})
    door.limit = 100_000
    url = f"git://{door.address}/acme/shop.git"
    with subprocess.Popen([sys.executable, "-c", WORKER, url, str(mirrors)]) as worker:
        until(lambda: door.stuck == 1, "the fetch hangs")
        worker.kill()
    assert ours(mirrors), "git outlives the worker that was killed"
    door.limit = None
    with pytest.raises(GitError, match="another process has held") as caught:
        through(door, reader(timeout=0.5))("fix")
    assert caught.value.reason == "MirrorBusy"
    door.release()
    assert through(door, reader())("fix").head == head
    assert not list(mirrors.glob("*.git/objects/pack/tmp_*"))


def test_a_fetch_whose_worker_was_killed_ends_by_itself(origin: Origin, door: Door, mirrors: Path) -> None:
    origin.branch("fix", {"services/payment/data": os.urandom(1_000_000)})
    door.limit = 100_000
    program = WORKER.replace("timeout=20", "timeout=1").replace("import sys\n", "import os, sys\n", 1)
    url = f"git://{door.address}/acme/shop.git"
    with subprocess.Popen([sys.executable, "-c", program, url, str(mirrors)]) as worker:
        until(lambda: door.stuck == 1 or worker.poll() is not None, "the fetch hangs")
        worker.kill()
    until(lambda: not ours(mirrors), "git ends by itself", seconds=30)


def half(path: Path) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"\0" * 100)


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "half a pack": ("objects/pack/*.pack", half),
    "half an index": ("objects/pack/*.idx", half),
    "an index of zeros": ("objects/pack/*.idx", garbage),
    "no packs": ("objects/pack/*.pack", Path.unlink),
    "HEAD of zeros": ("HEAD", garbage),
    "no HEAD": ("HEAD", Path.unlink),
    "a config of zeros": ("config", garbage),
    "refs of zeros": ("refs/laneway/*", garbage),
}


@pytest.mark.parametrize("news", [True, False], ids=["with a new push", "without news"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_mirror_is_made_anew(
    origin: Origin, reader: Callable[..., Reader], mirrors: Path, kind: str, news: bool
) -> None:
    origin.branch("fix", {"services/payment/app.py": "1"})
    before = reader()("fix")
    pattern, damage = DAMAGE[kind]
    found = list(mirrors.glob(f"*.git/{pattern}"))
    assert found
    for path in found:
        damage(path)
    if news:
        origin.commit("fix", {"services/orders/app.py": "2"})
    after = reader()("fix")
    assert after.head == origin.sha("fix")
    assert after.merge_base == before.merge_base
    assert after.paths == (("services/orders/app.py",) if news else ()) + ("services/payment/app.py",)


def test_locks_that_a_killed_git_left_are_cleared(origin: Origin, read: Reader, mirrors: Path) -> None:
    origin.branch("fix", {"services/payment/app.py": "1"})
    read("fix")
    [mirror] = mirrors.glob("*.git")
    for left in ("packed-refs.lock", "config.lock", "shallow.lock", "objects/pack/tmp_pack_abcdef"):
        (mirror / left).write_text("")
    for ref in list(mirror.glob("refs/laneway/*")):
        ref.with_name(f"{ref.name}.lock").write_text("")
    head = origin.commit("fix", {"services/orders/app.py": "2"})
    assert read("fix").head == head
    assert not list(mirror.rglob("*.lock"))


FULL = f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
{WORKER}"""


def test_a_fetch_that_cannot_write_is_temporary_and_the_next_one_works(
    origin: Origin, read: Reader, mirrors: Path
) -> None:
    """A limit on the size of files stands for a full disk."""
    origin.branch("fix", {f"services/payment/{os.urandom(20).hex()}": str(n) for n in range(6000)})
    command = [sys.executable, "-c", FULL, origin.url, str(mirrors)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "provisioner.errors.GitError: acme/shop: the fetch failed" in done.stderr
    assert len(read("fix").paths) == 6000


def test_a_mirror_folder_that_is_no_folder_is_named(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GitError, match=r"the mirror folder cannot be used: .*file"):
        Reader(origin, tmp_path / "file")("main")


def test_a_lock_that_another_process_keeps_is_waited_for_and_then_named(
    origin: Origin, read: Reader, reader: Callable[..., Reader], mirrors: Path
) -> None:
    origin.branch("fix", {"a": "1"})
    read("fix")
    [lock] = mirrors.glob("*.use")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(GitError, match=r"another process has held shop-.*\.use for 2 s"):
            reader(timeout=2)("fix")


def test_neither_the_users_configuration_nor_a_stray_variable_reaches_git(
    origin: Origin, read: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = origin.branch("fix", {"a": "1"})
    (tmp_path / ".gitconfig").write_text(f'[url "/nowhere/"]\n\tinsteadOf = {origin.path.parent}/\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=false'")
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_NAMESPACE"):
        monkeypatch.setenv(name, "/nowhere")
    assert read("fix").head == head


def test_a_repository_around_the_mirrors_is_not_asked(origin: Origin, tmp_path: Path) -> None:
    around = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", str(around)], check=True)
    subprocess.run(["git", "-C", str(around), "config", "remote.source.url", "/nowhere"], check=True)
    head = origin.branch("fix", {"a": "1"})
    assert Reader(origin, around / "state/mirrors")("fix").head == head
    assert Reader(origin, around)("fix").head == head


def test_a_machine_without_git_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import provisioner.git"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "provisioner.errors.ConfigError: PATH: git does not run here; install it" in done.stderr


def test_of_several_readers_of_a_damaged_mirror_one_makes_it_anew(
    origin: Origin, reader: Callable[..., Reader], mirrors: Path
) -> None:
    head = origin.branch("fix", {"services/payment/app.py": "1"})
    reader()("fix")
    [pack] = mirrors.glob("*.git/objects/pack/*.pack")
    half(pack)
    with ThreadPoolExecutor(4) as pool:
        sources = list(pool.map(lambda one: one("fix"), [reader() for _ in range(4)]))
    assert {source.head for source in sources} == {head}
    assert len(list(mirrors.glob("*.git/objects/pack/*.pack"))) == 1, "it was fetched once"
