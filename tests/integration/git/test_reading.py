"""What a real git repository says of a branch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.chain.model import Repository
from provisioner.errors import ConfigError
from provisioner.git import BranchGone, EmptyRepository, Repositories
from tests.support.origin import File, Origin

from .conftest import Reader, service


def test_a_branch_is_compared_with_where_it_left_the_base(origin: Origin, read: Reader) -> None:
    start = origin.sha("main")
    head = origin.branch("fix", {"services/payment/app.py": "better"})
    origin.commit("main", {"services/orders/app.py": "newer"})
    source = read("fix")
    assert (source.head, source.merge_base, source.paths) == (head, start, ("services/payment/app.py",))


def test_a_rename_across_services_changes_both(origin: Origin, read: Reader) -> None:
    origin.branch("move", {"services/payment/app.py": None, "services/orders/pay.py": "payment"})
    assert read("move").paths == ("services/orders/pay.py", "services/payment/app.py")


def test_a_deleted_file_is_a_change(origin: Origin, read: Reader) -> None:
    origin.branch("less", {"services/logistics/app.py": None})
    assert read("less").paths == ("services/logistics/app.py",)


def test_a_change_of_mode_is_a_change(origin: Origin, read: Reader) -> None:
    origin.branch("mode", {"services/orders/app.py": File("orders", "100755")})
    assert read("mode").paths == ("services/orders/app.py",)


def test_a_submodule_that_moves_is_a_change(origin: Origin, read: Reader) -> None:
    origin.commit("main", {"services/orders/vendor": File("1" * 40, "160000")})
    origin.branch("bump", {"services/orders/vendor": File("2" * 40, "160000")})
    assert read("bump").paths == ("services/orders/vendor",)


@pytest.mark.parametrize(
    "path",
    [
        "services/a b",
        "services/ä/日本",
        "services/new\nline",
        'services/"quoted"',
        "services/tab\there",
        "-x",
    ],
)
def test_paths_are_what_they_are(origin: Origin, read: Reader, path: str) -> None:
    origin.branch("odd", {path: "1"})
    assert read("odd").paths == (path,)


def test_a_path_that_is_not_utf8_is_written_with_its_bytes(origin: Origin, read: Reader) -> None:
    origin.branch("latin", {"services/payment/caf\udce9": "1"})
    assert read("latin").paths == (r"services/payment/caf\xe9",)


def test_five_thousand_files_are_all_seen(origin: Origin, read: Reader) -> None:
    origin.branch("big", {f"services/payment/{number}.py": "x" for number in range(5000)})
    assert len(read("big").paths) == 5000


def test_a_branch_equal_to_its_base_changes_nothing(origin: Origin, read: Reader) -> None:
    origin.git("update-ref", "refs/heads/same", "main")
    assert read("same").paths == ()


def test_an_unrelated_history_has_no_merge_base_and_all_its_files(origin: Origin, read: Reader) -> None:
    origin.commit("island", {"services/payment/app.py": "new", "a/b": "c"}, parents=[])
    source = read("island")
    assert (source.merge_base, source.paths) == ("", ("a/b", "services/payment/app.py"))


@pytest.mark.parametrize(
    "branch",
    [
        "-x",
        "--upload-pack=touch pwned",
        "--help",
        "it's",
        'say"hi"',
        "$(id)",
        ";id",
        "ünï/日本",
        "a" * 200,
        "!!!",
        "HEAD",
        "line\u2028break",
    ],
)
def test_branch_names_are_never_options_nor_commands(origin: Origin, read: Reader, branch: str) -> None:
    if " " in branch:
        with pytest.raises(BranchGone):
            read(branch)
        return
    head = origin.branch(branch, {"services/payment/app.py": branch})
    assert read(branch).head == head


@pytest.mark.parametrize(
    "branch",
    [
        "",
        "..",
        "a..b",
        "a\nb",
        "a\0b",
        "*",
        "ma*",
        "main^",
        "main~1",
        "a b",
        "@{-1}",
        "/main",
        "main/",
        "x.lock",
        "\ud800",
        "y" * 10_000,
    ],
)
def test_a_branch_that_cannot_exist_is_gone(read: Reader, branch: str) -> None:
    with pytest.raises(BranchGone) as caught:
        read(branch)
    assert caught.value.reason == "BranchNotFound"
    assert len(str(caught.value)) < 400


def test_a_deleted_branch_is_gone(origin: Origin, read: Reader) -> None:
    origin.branch("short-lived", {"a": "1"})
    read("short-lived")
    origin.delete("short-lived")
    with pytest.raises(BranchGone, match="'short-lived' does not exist"):
        read("short-lived")


def test_a_force_push_moves_the_lane_to_the_new_head(origin: Origin, read: Reader) -> None:
    old = origin.branch("fix", {"services/payment/app.py": "1"})
    read("fix")
    new = origin.branch("fix", {"services/orders/app.py": "2"})
    member = read.member("fix", sha=old)
    source = read.repositories.read(read.chain, read.repository, member)
    assert (source.head, source.paths) == (new, ("services/orders/app.py",))


def test_a_sha_that_the_repository_never_had_changes_nothing(origin: Origin, read: Reader) -> None:
    head = origin.branch("fix", {"a": "1"})
    member = read.member("fix", sha="d" * 40)
    assert read.repositories.read(read.chain, read.repository, member).head == head


def test_a_branch_replaced_by_a_folder_of_branches_is_read(origin: Origin, read: Reader) -> None:
    origin.branch("a", {"x": "1"})
    read("a")
    origin.delete("a")
    head = origin.branch("a/b", {"x": "2"})
    assert read("a/b").head == head


def test_a_fork_is_read_from_its_pull_request(origin: Origin, read: Reader) -> None:
    head = origin.branch("theirs", {"services/payment/app.py": "1"})
    origin.git("update-ref", "refs/pull/7/head", head)
    origin.delete("theirs")
    member = replace(read.member("theirs"), fork="mallory")
    assert read.repositories.read(read.chain, read.repository, member).head == head
    with pytest.raises(BranchGone, match="pull request 8"):
        read.repositories.read(read.chain, read.repository, replace(member, pull=8))


def test_an_empty_repository_says_so(tmp_path: Path, mirrors: Path) -> None:
    read = Reader(Origin(tmp_path / "empty.git"), mirrors)
    with pytest.raises(EmptyRepository, match="acme/shop: the repository has no branches"):
        read("main")


def test_a_missing_base_branch_names_the_key_of_the_chain_file(origin: Origin, read: Reader) -> None:
    origin.branch("fix", {"a": "1"})
    wrong = replace(read.repository, base="trunk")
    chain = replace(read.chain, repositories=(wrong,))
    with pytest.raises(ConfigError, match=r"laneway\.yaml: repositories\[0\]\.base: .* no branch 'trunk'"):
        read.repositories.read(chain, wrong, read.member("fix"))


def test_heads_lists_every_branch(origin: Origin, read: Reader) -> None:
    head = origin.branch("feature/ä", {"a": "1"})
    assert read.repositories.heads(read.repository) == {"main": origin.sha("main"), "feature/ä": head}


def test_heads_of_an_empty_repository_are_none(tmp_path: Path, mirrors: Path) -> None:
    repositories = Repositories(mirrors, max_bytes=10**9, timeout=10)
    assert repositories.heads(Repository(Origin(tmp_path / "empty.git").url, "acme/empty")) == {}


def test_the_service_sha_is_the_last_commit_that_touched_its_paths(origin: Origin, read: Reader) -> None:
    touched = origin.branch("fix", {"services/payment/app.py": "1"})
    origin.commit("fix", {"README.md": "other"})
    payment = service("payment", image="registry/payment:{service_sha}")
    assert read("fix", payment).service_shas == {"payment": touched}


def test_the_service_sha_follows_the_globs_where_folders_are_too_coarse(origin: Origin, read: Reader) -> None:
    touched = origin.branch("fix", {"services/payment/app.py": "1"})
    origin.commit("fix", {"services/payment/docs/a.md": "1"})
    globs = ("services/payment/**", "!services/payment/docs/**")
    assert read("fix", service("payment", *globs, image="{service_sha}")).service_shas == {"payment": touched}


def test_the_service_sha_is_missing_where_no_commit_touched_the_paths(origin: Origin, read: Reader) -> None:
    origin.branch("fix", {"a": "1"})
    chain = replace(
        read.chain_of(service("ghost", "nowhere/**", image="{service_sha}")),
        shared_paths=(("a", ("ghost",)),),
    )
    assert read.repositories.read(chain, read.repository, read.member("fix")).service_shas == {}
