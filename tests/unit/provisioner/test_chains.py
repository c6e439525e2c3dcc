"""Chain files on disk: files, folders, and what several must not do to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.chain import folder as chains
from provisioner.errors import ConfigError

CHAIN = """\
chain: {chain}
namespace: {namespace}
repositories:
  - url: https://github.com/acme/{chain}.git
services:
  web: {{paths: [web/**], workload: Deployment/web, image: "acme/web:{{sha}}"}}
entry: {{service: web, host: "{{lane}}.{domain}"}}
"""


def write(path: Path, chain: str = "shop", namespace: str = "shop", domain: str = "shop.test") -> Path:
    path.write_text(CHAIN.format(chain=chain, namespace=namespace, domain=domain))
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        chains.load_all(paths)
    return str(caught.value)


def test_a_file_is_one_chain(tmp_path: Path) -> None:
    (chain,) = chains.load(write(tmp_path / "laneway.yaml"))
    assert chain.name == "shop"
    assert chain.source == str(tmp_path / "laneway.yaml")


def test_a_folder_is_a_chain_for_each_yaml_file_sorted_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "zoo", "zoo", "zoo.test")
    write(tmp_path / "b.yml")
    (tmp_path / "notes.txt").write_text("not a chain")
    assert [chain.name for chain in chains.load(tmp_path)] == ["shop", "zoo"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """The kubelet keeps the data in a hidden folder and links to it."""
    hidden = tmp_path / "..2026_01_01"
    hidden.mkdir()
    write(hidden / "shop.yaml")
    (tmp_path / "..data").symlink_to(hidden)
    (tmp_path / "shop.yaml").symlink_to(Path("..data") / "shop.yaml")
    assert len(chains.load(tmp_path)) == 1


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    file = write(tmp_path / "laneway.yaml")
    assert len(chains.load_all([file, tmp_path])) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}/laneway.yaml: does not exist" in refusal(tmp_path / "laneway.yaml")


def test_a_folder_without_chains_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}: holds no chain file" in refusal(tmp_path)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "laneway.yaml").write_bytes(b"chain: \xff")
    assert "laneway.yaml: is not UTF-8 (byte 7)" in refusal(tmp_path)


def test_two_chains_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", namespace="other", domain="other.test")
    assert refusal(tmp_path) == f"{tmp_path}/b.yaml: chain shop is that of {tmp_path}/a.yaml already"


def test_a_workload_that_two_chains_claim_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", "other", domain="other.test")
    assert "b.yaml: Deployment/web in namespace shop is that of" in refusal(tmp_path)


def test_an_entry_domain_that_two_chains_claim_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", "other", "other")
    assert "b.yaml: entry domain shop.test is that of" in refusal(tmp_path)


def test_what_is_wrong_with_several_files_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("chain: a\n")
    (tmp_path / "b.yaml").write_text("")
    lines = refusal(tmp_path, tmp_path / "c.yaml").splitlines()
    assert [line.removeprefix(f"{tmp_path}/").split(":")[0] for line in lines] == ["a.yaml"] * 2 + [
        "b.yaml",
        "c.yaml",
    ]
