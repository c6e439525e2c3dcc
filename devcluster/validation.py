"""Bad objects are refused with the path of every wrong field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devcluster import errors, structural, syntax, validation_pods, validation_services, validation_workloads
from devcluster.errors import Cause
from devcluster.resources import Resource
from devcluster.schema import Node

Object = dict[str, Any]
Check = Callable[[Object, "Object | None", list[Cause]], None]

NAME_RULES: dict[str, Callable[[str], str]] = {
    "namespaces": syntax.label,
    "services": syntax.label,
    "statefulsets.apps": syntax.label,
    **{
        f"{kind}.rbac.authorization.k8s.io": syntax.path_segment
        for kind in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    },
}


def check(resource: Resource, subresource: str, obj: Object, old: Object | None, node: Node) -> None:
    """ApiError 422 with every wrong field of an object. `old` is what it succeeds, None on creation."""
    causes: list[Cause] = []
    if not subresource:
        _metadata(resource, obj["metadata"], (old or {}).get("metadata"), causes)
    looked_at = obj if resource.custom or subresource else {key: obj[key] for key in obj if key != "status"}
    structural.check(looked_at, node, "", old, causes)
    rule = CHECKS.get(resource.name)
    if rule and not subresource and all(cause.reason == "FieldValueNotSupported" for cause in causes):
        own: list[Cause] = []
        rule(obj, old, own)
        causes = own or causes  # a kind's own words for a value that is not supported come first
    if causes:
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
        raise errors.invalid(resource.kind, resource.group, name, _once(causes))


def _once(causes: list[Cause]) -> list[Cause]:
    return list(dict.fromkeys(causes))


STANDARD_FINALIZERS = ("foregroundDeletion", "orphan", "kubernetes")

# metadata, which every kind has


def _metadata(resource: Resource, meta: Object, old: Object | None, causes: list[Cause]) -> None:
    name = meta.get("name")
    if not name:
        causes.append(errors.required("metadata.name", "name or generateName is required"))
    elif old is None:
        wrong = NAME_RULES.get(resource.name, syntax.subdomain)(name)
        if wrong:
            causes.append(errors.wrong("metadata.name", name, wrong))
    labels(meta.get("labels") or {}, "metadata.labels", causes)
    for key in meta.get("annotations") or {}:
        if wrong := syntax.qualified(key.lower()):
            causes.append(errors.wrong("metadata.annotations", key, wrong))
    for owner in meta.get("ownerReferences") or ():
        _owner(owner, "metadata.ownerReferences", causes)  # the real server names no index either
    _one_controller(meta, causes)
    for index, finalizer in enumerate(meta.get("finalizers") or ()):
        plain = resource.custom or resource.group == "apiextensions.k8s.io"  # these may have plain names
        _finalizer(finalizer, index, causes, plain=plain)
    if old and "deletionTimestamp" in old:
        _no_new_finalizers(meta, old, causes)


def labels(found: Object, path: str, causes: list[Cause]) -> None:
    for key, value in found.items():
        if wrong := syntax.qualified(key):
            causes.append(errors.wrong(path, key, wrong))
        if wrong := syntax.label_value(value):
            causes.append(errors.wrong(path, value, wrong))


def _finalizer(finalizer: str, index: int, causes: list[Cause], *, plain: bool) -> None:
    if wrong := syntax.qualified(finalizer):
        causes.append(errors.wrong("metadata.finalizers", finalizer, wrong))
    if not plain and "/" not in finalizer and finalizer not in STANDARD_FINALIZERS:
        detail = "name is neither a standard finalizer name nor is it fully qualified"
        causes.append(errors.wrong(f"metadata.finalizers[{index}]", finalizer, detail))


def _owner(owner: Object, path: str, causes: list[Cause]) -> None:
    for field in ("apiVersion", "kind", "name", "uid"):
        if not owner.get(field):
            causes.append(errors.wrong(f"{path}.{field}", owner.get(field) or "", "must not be empty"))


def _one_controller(meta: Object, causes: list[Cause]) -> None:
    controllers = [
        owner.get("kind", "") for owner in meta.get("ownerReferences") or () if owner.get("controller")
    ]
    if len(controllers) > 1:
        detail = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            + " and ".join(controllers)
        )
        causes.append(errors.wrong("metadata.ownerReferences", "", detail))


def _no_new_finalizers(meta: Object, old: Object, causes: list[Cause]) -> None:
    new = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
    if new:
        detail = f"no new finalizers can be added if the object is being deleted, found new finalizers {new}"
        causes.append(errors.field_forbidden("metadata.finalizers", detail))


# the other kinds


def _config(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if wrong := syntax.config_key(key):
                causes.append(errors.wrong(f"{field}[{key}]", key, wrong))
    if old and old.get("immutable") and any(obj.get(f) != old.get(f) for f in ("data", "binaryData")):
        causes.append(errors.field_forbidden("data", "field is immutable when `immutable` is set"))


def _secret(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    _config(obj, old, causes)
    if old and old.get("type") != obj.get("type"):
        causes.append(errors.wrong("type", obj.get("type"), "field is immutable"))


def _definition(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj["spec"]
    names = spec.get("names") or {}
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if obj["metadata"]["name"] != wanted:
        causes.append(
            errors.wrong("metadata.name", obj["metadata"]["name"], 'must be spec.names.plural+"."+spec.group')
        )
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        causes.append(errors.unsupported("spec.scope", spec.get("scope"), ["Cluster", "Namespaced"]))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        causes.append(
            errors.wrong("spec.versions", versions, "must have exactly one version marked as storage version")
        )
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            path = f"spec.versions[{index}].schema.openAPIV3Schema"
            causes.append(errors.required(path, "schemas are required"))
    if old and old["spec"].get("scope") != spec.get("scope"):
        causes.append(errors.wrong("spec.scope", spec.get("scope"), "field is immutable"))


def _lease(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    spec = obj.get("spec") or {}
    for field in ("leaseDurationSeconds",):
        if field in spec and spec[field] <= 0:
            causes.append(errors.wrong(f"spec.{field}", spec[field], "must be greater than 0"))


def _role_binding(obj: Object, old: Object | None, causes: list[Cause]) -> None:
    if old and old.get("roleRef") != obj.get("roleRef"):
        causes.append(errors.wrong("roleRef", "object", "cannot change roleRef"))


CHECKS: dict[str, Check] = {
    "configmaps": _config,
    "secrets": _secret,
    "pods": validation_pods.pod,
    "services": validation_services.service,
    "endpointslices.discovery.k8s.io": validation_services.endpoint_slice,
    "deployments.apps": validation_workloads.deployment,
    "replicasets.apps": validation_workloads.replica_set,
    "statefulsets.apps": validation_workloads.stateful_set,
    "daemonsets.apps": validation_workloads.daemon_set,
    "jobs.batch": validation_workloads.job,
    "cronjobs.batch": validation_workloads.cron_job,
    "horizontalpodautoscalers.autoscaling": validation_workloads.autoscaler,
    "poddisruptionbudgets.policy": validation_workloads.disruption_budget,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
    "leases.coordination.k8s.io": _lease,
    "rolebindings.rbac.authorization.k8s.io": _role_binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _role_binding,
}
