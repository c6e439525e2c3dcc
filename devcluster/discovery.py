"""What is served, told to clients: the version, groups, and resources, in the old form and the aggregated
one.
"""

from __future__ import annotations

from typing import Any

from devcluster.answers import Answer, answer
from devcluster.errors import no_such_path
from devcluster.resources import Resource, Resources, group_version

Object = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0-devcluster",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}
READING, WRITING = ["get", "list", "watch"], ["create", "delete", "deletecollection", "patch", "update"]
REVIEWS = {
    "authorization.k8s.io": ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    "authentication.k8s.io": ("selfsubjectreviews", "SelfSubjectReview"),
}


def serve(resources: Resources, path: str, accept: str) -> Answer | None:
    """The answer to a discovery path, or None when it is none."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["version"]:
            return answer(200, VERSION)
        case ["api" | "apis"] if (
            "apigroupdiscoverylist" in accept.lower() and "v=v2beta1" not in accept.partition(",")[0]
        ):
            return Answer(200, _json(_aggregated(resources, core=parts == ["api"])), AGGREGATED)
        case ["api"]:
            return answer(200, {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        case ["apis"]:
            groups = [_group(resources, group) for group in _groups(resources) if group]
            return answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        case ["apis", group]:
            return answer(200, {**_group(resources, group), "apiVersion": "v1"})
        case ["api", "v1"]:
            return answer(200, _resource_list(resources, "", "v1"))
        case ["apis", group, version]:
            return answer(200, _resource_list(resources, group, version))
    return None


def _json(obj: Object) -> bytes:
    import orjson

    return orjson.dumps(obj)


def _groups(resources: Resources) -> dict[str, list[str]]:
    """Each group with its served versions, the preferred first."""
    groups: dict[str, list[str]] = {"": ["v1"]}
    for resource in resources:
        versions = groups.setdefault(resource.group, [])
        versions += [version for version in resource.served if version not in versions]
    return groups | {group: ["v1"] for group in REVIEWS}


def _group(resources: Resources, group: str) -> Object:
    versions = _groups(resources).get(group)
    if not versions:
        raise no_such_path()
    listed = [{"groupVersion": group_version(group, version), "version": version} for version in versions]
    return {"kind": "APIGroup", "name": group, "versions": listed, "preferredVersion": listed[0]}


def _resource_list(resources: Resources, group: str, version: str) -> Object:
    if version not in _groups(resources).get(group, ()):
        raise no_such_path()
    listed: list[Object] = []
    for resource in resources:
        if resource.group == group and version in resource.served:
            listed.append(_listed(resource))
            listed += [_listed_subresource(resource, name) for name in resource.subresources]
    if group in REVIEWS:
        plural, kind = REVIEWS[group]
        listed.append(
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": False,
                "kind": kind,
                "verbs": ["create"],
            }
        )
    gv = group_version(group, version)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": listed}


def _listed(resource: Resource) -> Object:
    listed: Object = {
        "name": resource.plural,
        "singularName": resource.single,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(READING + WRITING),
    }
    if resource.short:
        listed["shortNames"] = list(resource.short)
    if resource.categories:
        listed["categories"] = list(resource.categories)
    return listed


def _listed_subresource(resource: Resource, name: str) -> Object:
    listed = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _subresource_verbs(name),
    }
    if name == "scale":
        listed |= {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return listed


def _subresource_verbs(name: str) -> list[str]:
    verbs = {
        "log": ["get"],
        "eviction": ["create"],
        "binding": ["create"],
        "token": ["create"],
        "finalize": ["update"],
    }
    return verbs.get(name, ["get", "patch", "update"])


def _aggregated(resources: Resources, *, core: bool) -> Object:
    items = []
    for group, versions in _groups(resources).items():
        if (not group) == core:
            found = [_aggregated_version(resources, group, version) for version in versions]
            items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": found})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(resources: Resources, group: str, version: str) -> Object:
    found = [_aggregated_resource(r, version) for r in resources if r.group == group and version in r.served]
    if group in REVIEWS:
        plural, kind = REVIEWS[group]
        response = {"group": group, "version": version, "kind": kind}
        found.append({"resource": plural, "responseKind": response, "scope": "Cluster", "verbs": ["create"]})
    return {"version": version, "resources": found, "freshness": "Current"}


def _aggregated_resource(resource: Resource, version: str) -> Object:
    kind = {"group": resource.group, "version": version, "kind": resource.kind}
    found: Object = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.single,
        "verbs": sorted(READING + WRITING),
        "shortNames": list(resource.short),
        "categories": list(resource.categories),
        "subresources": [],
    }
    for name in resource.subresources:
        response = {"group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else kind
        found["subresources"].append(
            {"subresource": name, "responseKind": response, "verbs": _subresource_verbs(name)}
        )
    return found
