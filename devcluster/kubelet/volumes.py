"""A pod's volumes as folders.

There is no mount namespace, so a `mountPath` cannot be made to exist: every container finds each volume of
its pod, by the volume's name, under the folder in its environment variable DEVCLUSTER_VOLUMES.

Promises: files are replaced atomically; a claim's folder belongs to the claim and outlives the pod.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.kubelet.environment import ConfigError, Object, Sources, field_value

VARIABLE = "DEVCLUSTER_VOLUMES"


@dataclass(frozen=True)
class Volumes:
    """Where the folders go: `pod` for the pod's own, `claims` for those that outlive it."""

    pod: Path
    claims: Path
    sources: Sources


def materialise(volumes: Volumes) -> None:
    """Make or refresh every volume of the pod.

    :raises ConfigError: a volume names an object that does not exist, or is of a kind not served here
    """
    volumes.pod.mkdir(parents=True, exist_ok=True)
    for volume in volumes.sources.pod["spec"].get("volumes") or []:
        _materialise(volume, volumes)


def claim_folder(claims: Path, claim: Object) -> Path:
    return claims / str(claim["metadata"]["uid"])


def _materialise(volume: Object, volumes: Volumes) -> None:
    folder = volumes.pod / volume["name"]
    if (claim := volume.get("persistentVolumeClaim")) is not None:
        _link(folder, _claimed(claim["claimName"], volumes))
    elif (host := volume.get("hostPath")) is not None:
        _link(folder, Path(host["path"]))
    elif "emptyDir" in volume or "ephemeral" in volume:
        folder.mkdir(exist_ok=True)
    elif (parts := _parts(volume)) is not None:
        _write(folder, {k: v for part in parts for k, v in _files(part, volumes.sources).items()})
    else:
        kind = ", ".join(key for key in volume if key != "name")
        raise ConfigError(f'volume "{volume["name"]}": {kind} is not served by a devcluster')


def _parts(volume: Object) -> list[Object] | None:
    """The sources of a volume that is made of files."""
    if (projected := volume.get("projected")) is not None:
        return list(projected.get("sources") or [])
    return [volume] if volume.keys() & _FILE_SOURCES.keys() else None


def _files(part: Object, sources: Sources) -> dict[str, bytes]:
    for kind, make in _FILE_SOURCES.items():
        if (source := part.get(kind)) is not None:
            return make(source, sources)
    return {}


def _config_map(source: Object, sources: Sources) -> dict[str, bytes]:
    found = _find("configmaps", source, source.get("name", ""), sources)
    texts = {k: v.encode() for k, v in (found.get("data") or {}).items()}
    binary = {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
    return _picked(source, texts | binary)


def _secret(source: Object, sources: Sources) -> dict[str, bytes]:
    name = source.get("secretName") or source.get("name", "")
    found = _find("secrets", source, name, sources)
    return _picked(source, {k: base64.b64decode(v) for k, v in (found.get("data") or {}).items()})


def _downward(source: Object, sources: Sources) -> dict[str, bytes]:
    fields = [item for item in source.get("items") or [] if "fieldRef" in item]
    return {i["path"]: field_value(i["fieldRef"]["fieldPath"], sources).encode() for i in fields}


def _token(source: Object, sources: Sources) -> dict[str, bytes]:
    """A stand-in: devcluster's API server asks for no credentials."""
    return {source["path"]: b"devcluster-accepts-any-token"}


_FILE_SOURCES: dict[str, Callable[[Object, Sources], dict[str, bytes]]] = {
    "configMap": _config_map,
    "secret": _secret,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
}


def _find(resource: str, source: Object, name: str, sources: Sources) -> dict[str, Any]:
    found = sources.find(resource, name)
    if found is None and not source.get("optional"):
        raise ConfigError(f'{resource.removesuffix("s")} "{name}" not found')
    return found or {}


def _picked(source: Object, data: dict[str, bytes]) -> dict[str, bytes]:
    if not (items := source.get("items")):
        return data
    missing = [item["key"] for item in items if item["key"] not in data]
    if missing and not source.get("optional"):
        raise ConfigError(f"references non-existent config key: {missing[0]}")
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def _claimed(name: str, volumes: Volumes) -> Path:
    claim = volumes.sources.find("persistentvolumeclaims", name)
    if claim is None:
        raise ConfigError(f'persistentvolumeclaim "{name}" not found')
    folder = claim_folder(volumes.claims, claim)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for path, content in files.items():
        file = folder / path
        if file.is_file() and file.read_bytes() == content:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.partial")
        partial.write_bytes(content)
        partial.replace(file)
    for file in folder.rglob("*"):
        if file.is_file() and str(file.relative_to(folder)) not in files:
            file.unlink()
