"""What of the cluster itself is wrong for Laneway: its version, and the definitions of Lanes and Releases in
it. Pure.

`findings` tells it to people; `require` keeps a process from writing what the cluster would cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.errors import ConfigError
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import DEFINITIONS, Server

Json = dict[str, Any]

# CEL rules in definitions and native sidecars are on by default from here on
OLDEST = (1, 29)

# what Laneway writes into an object of its kinds; a definition without one of these drops it in silence
NEEDED: Mapping[str, tuple[str, ...]] = {
    "Lane": (
        *("spec.chain", "spec.lane", "spec.members", "spec.mode", "spec.pin", "spec.ttl", "spec.approved"),
        *("spec.parent", "spec.release", "spec.services.revision", "status"),
    ),
    "Release": (
        *("spec.chain", "spec.name", "spec.services", "spec.strategy", "spec.origin"),
        *("spec.paused", "spec.promoted", "spec.resumed", "spec.accepted", "spec.aborted"),
        *("status.copies.floor", "status.originals.raised", "status.timeline.sequence"),
    ),
}
INSTALL = "kubectl apply --server-side --force-conflicts -f charts/laneway/crds"


def findings(server: Server) -> Iterator[Finding]:
    """All that is wrong; nothing for a cluster that will do."""
    yield from _of_version(server.version)
    if server.unread:
        yield _finding(
            Severity.WARNING, "Unread", f"the definitions of Laneway were not looked at: {server.unread}"
        )
        return
    for kind in NEEDED:
        yield from _of_definition(kind, server.definitions.get(kind))


def require(kind: str, schema: Json | None) -> None:
    """Raises ConfigError unless this schema of a kind (None: the cluster knows none) holds what Laneway
    writes into one of it."""
    if schema is None:
        raise ConfigError(_not_installed(kind), where="cluster", reason="NotInstalled")
    if lacking := _lacking(kind, schema):
        raise ConfigError(_too_old(kind, lacking), where="cluster", reason="DefinitionTooOld")


def _of_version(version: Json) -> Iterator[Finding]:
    numbers = [re.match(r"\d+", str(version.get(key, ""))) for key in ("major", "minor")]
    found = tuple(int(one.group()) for one in numbers if one)
    if len(found) == 2 and found < OLDEST:
        name = version.get("gitVersion") or ".".join(map(str, found))
        yield _finding(
            Severity.ERROR,
            "ClusterTooOld",
            f"the cluster is Kubernetes {name}; Laneway supports {OLDEST[0]}.{OLDEST[1]} and newer",
        )


def _of_definition(kind: str, definition: Json | None) -> Iterator[Finding]:
    if definition is None:
        yield _finding(Severity.ERROR, "NotInstalled", _not_installed(kind))
    elif lacking := _lacking(kind, _schema(definition)):
        yield _finding(Severity.ERROR, "DefinitionTooOld", _too_old(kind, lacking))


def _lacking(kind: str, schema: Json) -> list[str]:
    return [path for path in NEEDED[kind] if not _has(schema, path.split("."))]


def _not_installed(kind: str) -> str:
    return f"it has no {kind}s; install their definition: {INSTALL}"


def _too_old(kind: str, lacking: list[str]) -> str:
    return (
        f"the definition {DEFINITIONS[kind]} in the cluster lacks {', '.join(lacking)}: it is of an older "
        f"version, and Helm does not replace definitions; replace it: {INSTALL}"
    )


def _schema(definition: Json) -> Json:
    versions = definition["spec"].get("versions") or ()
    stored: Json = next((one for one in versions if one.get("name") == "v1alpha1"), {})
    return dict((stored.get("schema") or {}).get("openAPIV3Schema") or {})


def _has(schema: Json, path: list[str]) -> bool:
    """Whether a schema, or that of a list's items, knows a field, or keeps what it does not know."""
    if not path:
        return True
    whole = schema.get("items") or schema
    inner = (whole.get("properties") or {}).get(path[0])
    if inner is None:
        return bool(whole.get("x-kubernetes-preserve-unknown-fields"))
    return _has(inner, path[1:])


def _finding(severity: Severity, reason: str, message: str) -> Finding:
    return Finding("", "cluster", severity, reason, message)
