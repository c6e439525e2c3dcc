"""What of the cluster itself is wrong for Laneway: its version, and the definition of Lanes in it. Pure.

`findings` tells it to people; `require` keeps a process from writing Lanes that the cluster would cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from provisioner.errors import ConfigError
from provisioner.inspection.findings import Finding, Severity
from provisioner.inspection.gather import Server

Json = dict[str, Any]

# CEL rules in definitions and native sidecars are on by default from here on
OLDEST = (1, 29)

# what Laneway writes into a Lane; a definition without one of these drops it in silence
NEEDED = (
    *("spec.chain", "spec.lane", "spec.members", "spec.mode", "spec.pin", "spec.ttl", "spec.approved"),
    *("spec.parent", "status"),
)
INSTALL = "kubectl apply --server-side --force-conflicts -f charts/laneway/crds"
NOT_INSTALLED = f"it has no Lanes; install their definition: {INSTALL}"


def findings(server: Server) -> Iterator[Finding]:
    """All that is wrong; nothing for a cluster that will do."""
    yield from _of_version(server.version)
    if server.unread:
        yield _finding(
            Severity.WARNING, "Unread", f"the definition of Lanes was not looked at: {server.unread}"
        )
    else:
        yield from _of_definition(server.definition)


def require(schema: Json | None) -> None:
    """Raises ConfigError unless this schema of a Lane (None: the cluster knows none) holds what Laneway
    writes into one."""
    if schema is None:
        raise ConfigError(NOT_INSTALLED, where="cluster", reason="NotInstalled")
    if lacking := _lacking(schema):
        raise ConfigError(_too_old(lacking), where="cluster", reason="DefinitionTooOld")


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


def _of_definition(definition: Json | None) -> Iterator[Finding]:
    if definition is None:
        yield _finding(Severity.ERROR, "NotInstalled", NOT_INSTALLED)
    elif lacking := _lacking(_schema(definition)):
        yield _finding(Severity.ERROR, "DefinitionTooOld", _too_old(lacking))


def _lacking(schema: Json) -> list[str]:
    return [path for path in NEEDED if not _has(schema, path.split("."))]


def _too_old(lacking: list[str]) -> str:
    return (
        f"the definition lanes.laneway.dev in the cluster lacks {', '.join(lacking)}: it is of an older "
        f"version, and Helm does not replace definitions; replace it: {INSTALL}"
    )


def _schema(definition: Json) -> Json:
    versions = definition["spec"].get("versions") or ()
    stored: Json = next((one for one in versions if one.get("name") == "v1alpha1"), {})
    return dict((stored.get("schema") or {}).get("openAPIV3Schema") or {})


def _has(schema: Json, path: list[str]) -> bool:
    """Whether a schema knows a field, or keeps what it does not know."""
    if not path or schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    inner = (schema.get("properties") or {}).get(path[0])
    return inner is not None and _has(inner, path[1:])


def _finding(severity: Severity, reason: str, message: str) -> Finding:
    return Finding("", "cluster", severity, reason, message)
