"""The ServiceAccounts that Laneway's processes run under, with exactly the rights that the chart grants them.

The chart's own list of rights is read, so the embedded system shows at once when one is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from provisioner.chain.model import Chain

Json = dict[str, Any]

RIGHTS = Path(__file__).parents[2] / "charts" / "laneway" / "files" / "rights.yaml"
_GROUP = "rbac.authorization.k8s.io"
_API = f"{_GROUP}/v1"


@dataclass(frozen=True)
class Installation:
    """What the chart fills into the rights: its namespace, and what the chain files name."""

    namespace: str
    chains: Sequence[str]
    namespaces: Sequence[str]
    credentials: Sequence[str] = ()
    # of the chains in each namespace: their drivers, and the kinds of workload that they have there
    traits: Mapping[str, Collection[str]] = field(default_factory=dict)


def of_chains(namespace: str, chains: Sequence[Chain]) -> Installation:
    """The installation in a namespace that serves these chains."""
    traits: dict[str, set[str]] = {}
    for chain in chains:
        for one in chain.services:
            traits.setdefault(one.namespace, set()).update((chain.driver.value, one.workload.kind))
    secrets = {one.credentials for chain in chains for one in chain.repositories} - {""}
    return Installation(
        namespace,
        sorted(chain.name for chain in chains),
        sorted({name for chain in chains for name in chain.namespaces}),
        sorted(secrets),
        traits,
    )


def rights() -> dict[str, list[Json]]:
    """The chart's list: the rules of each process."""
    found: dict[str, list[Json]] = yaml.safe_load(RIGHTS.read_text())
    return found


def roles(listed: Mapping[str, Sequence[Json]], installed: Installation) -> list[Json]:
    """The Roles and their bindings, as the chart renders them for a release called `laneway`."""
    return [
        one
        for process, rules in listed.items()
        for scope in ("cluster", "installation", "default", "chains")
        for namespace in _namespaces(scope, installed)
        if (granted := list(_granted(rules, scope, namespace, installed)))
        for one in _role(process, scope, namespace, granted, installed)
    ]


def kubeconfig(original: Path, process: str, namespace: str) -> str:
    """The text of a kubeconfig by which a process acts as its account, for the cluster of another one."""
    config = yaml.safe_load(original.read_text())
    config["users"] = [
        {"name": "devcluster", "user": {"token": f"serviceaccount:{namespace}:{account(process)}"}}
    ]
    return yaml.safe_dump(config)


def account(process: str) -> str:
    return f"laneway-{process}"


def _granted(rules: Sequence[Json], scope: str, namespace: str, installed: Installation) -> Iterator[Json]:
    traits = installed.traits.get(namespace, ())
    for rule in rules:
        if rule["scope"] != scope or not _is_of(rule, traits):
            continue
        granted = {key: rule[key] for key in ("apiGroups", "resources", "verbs")}
        if "names" not in rule:
            yield granted
        elif names := [name for pattern in rule["names"] for name in _names(pattern, installed)]:
            yield {**granted, "resourceNames": names}


def _is_of(rule: Json, traits: Collection[str]) -> bool:
    """Whether a rule is needed where chains have these drivers and kinds of workload."""
    needed = (*rule.get("drivers", ()), *rule.get("workloads", ()))
    return not needed or any(one in traits for one in needed)


def _names(pattern: str, installed: Installation) -> Sequence[str]:
    if "{chain}" in pattern:
        return [pattern.replace("{chain}", chain) for chain in installed.chains]
    return installed.credentials if pattern == "{credentials}" else [pattern]


def _namespaces(scope: str, installed: Installation) -> Sequence[str]:
    only = {"cluster": "", "installation": installed.namespace, "default": "default"}
    return installed.namespaces if scope == "chains" else [only[scope]]


def _role(
    process: str, scope: str, namespace: str, rules: Sequence[Json], installed: Installation
) -> tuple[Json, Json]:
    kind = "Role" if namespace else "ClusterRole"
    name = account(process) + ("" if scope == "installation" else f"-{scope}")
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    subject = {"kind": "ServiceAccount", "name": account(process), "namespace": installed.namespace}
    return (
        {"apiVersion": _API, "kind": kind, "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": _API,
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": name},
            "subjects": [subject],
        },
    )
