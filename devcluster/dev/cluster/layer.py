"""An image as an OCI archive that holds one layer more than another image, without that image's layers.

A container runtime that has the other image takes it: seconds become a fraction of one. The result is what a
Dockerfile of two lines, FROM and COPY, would make.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """An image's manifest and configuration, as the runtime has them."""

    manifest: Json
    config: Json


def archive(under: Image, folder: Path, place: str, name: str) -> bytes:
    """The archive of `under` with `folder` laid over it at `place`; the image is called `name`."""
    layer = _layer(folder, place)
    config = _encoded(_with_layer(under.config, layer))
    manifest = _encoded(_manifest(under.manifest, config, layer))
    blobs = {f"blobs/sha256/{_digest(one)[7:]}": one for one in (layer, config, manifest)}
    files = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": _encoded(_index(under.manifest["mediaType"], manifest, name)),
        **blobs,
    }
    return _tar(files)


def _layer(folder: Path, place: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(folder, place.strip("/"), filter=_sources)
    return target.getvalue()


def _sources(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files as root's, the same at each build; git's own and compiled ones stay out."""
    if Path(entry.name).name in (".git", "__pycache__"):
        return None
    entry.uid = entry.gid = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644  # whoever runs it may read it
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _with_layer(config: Json, layer: bytes) -> Json:
    before = config["rootfs"]["diff_ids"]
    return {**config, "rootfs": {**config["rootfs"], "diff_ids": [*before, _digest(layer)]}}


def _manifest(under: Json, config: bytes, layer: bytes) -> Json:
    added = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **_described(layer)}
    return {
        **under,
        "config": {**under["config"], **_described(config)},
        "layers": [*under["layers"], added],
    }


def _index(media: str, manifest: bytes, name: str) -> Json:
    annotations = {"io.containerd.image.name": name}
    entry = {"mediaType": media, **_described(manifest), "annotations": annotations}
    return {"schemaVersion": 2, "manifests": [entry]}


def _tar(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return target.getvalue()


def _encoded(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _described(blob: bytes) -> Json:
    return {"digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()
