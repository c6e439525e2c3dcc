"""Images: one list of files and one script for both builders; a layer more than another image."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from devcluster.dev.cluster import images, layer

ROOT = Path(__file__).parents[3]
UNDER = layer.Image(
    manifest={
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:0", "size": 1},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:1", "size": 1}],
    },
    config={"os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}},
)


def test_what_the_list_names_is_there() -> None:
    listed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert listed
    assert [name for name in listed if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("target", images.TARGETS)
def test_each_target_is_known_to_the_dockerfile_and_to_the_script(target: str) -> None:
    assert f" AS {target}\n" in (ROOT / "Dockerfile").read_text()
    assert f"\n  {target})" in (ROOT / "deploy" / "install").read_text()


def test_the_dockerfile_pins_what_it_starts_from() -> None:
    bases = re.findall(r"^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/debian:.+@sha256:[0-9a-f]{64}", bases[0])


def test_the_example_in_an_image_has_the_versions_that_are_tested() -> None:
    tested = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-dev.txt").read_text()
    wanted = (ROOT / "examples" / "shop" / "requirements.txt").read_text().splitlines()
    pins = [line for line in wanted if line and not line.startswith("#")]
    assert [pin for pin in pins if pin not in tested.splitlines()] == []


def test_an_archive_adds_one_layer_and_refers_to_what_is_under_it(tmp_path: Path) -> None:
    (tmp_path / "payment").mkdir()
    (tmp_path / "payment" / "app.py").write_text("VERSION = 2\n")
    files = _files(layer.archive(UNDER, tmp_path, "shop", "shop:2"))
    index = json.loads(files["index.json"])
    manifest = json.loads(_blob(files, index["manifests"][0]["digest"]))
    config = json.loads(_blob(files, manifest["config"]["digest"]))
    assert index["manifests"][0]["annotations"] == {"io.containerd.image.name": "shop:2"}
    assert [one["digest"] for one in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert manifest["layers"][0]["digest"] == "sha256:1"
    added = _files(_blob(files, manifest["layers"][1]["digest"]))
    assert added["shop/payment/app.py"] == b"VERSION = 2\n"


def test_the_same_files_make_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("1")
    first = layer.archive(UNDER, tmp_path, "shop", "shop:1")
    (tmp_path / ".git").mkdir()
    (tmp_path / "app.py").touch()
    assert layer.archive(UNDER, tmp_path, "shop", "shop:1") == first


def test_whoever_runs_the_image_may_read_the_layer(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "app.py").touch(mode=0o600)
    files = _files(layer.archive(UNDER, tmp_path, "shop", "shop:1"))
    manifest = json.loads(_blob(files, json.loads(files["index.json"])["manifests"][0]["digest"]))
    added = _blob(files, manifest["layers"][1]["digest"])
    with tarfile.open(fileobj=io.BytesIO(added)) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"shop": 0o755, "shop/app.py": 0o644}


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {entry.name: tar.extractfile(entry) for entry in tar.getmembers()}
        return {name: file.read() for name, file in found.items() if file is not None}


def _blob(files: dict[str, bytes], digest: str) -> bytes:
    return files[f"blobs/sha256/{digest.removeprefix('sha256:')}"]
