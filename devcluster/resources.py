"""The kinds that are served: the built-in table, and what CustomResourceDefinitions add to it.

A resource is known by its qualified name: the plural, with the group after a dot where there is one
("pods", "deployments.apps", "lanes.laneway.dev").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devcluster import errors, schema, tables
from devcluster.schema import Node
from devcluster.tables import Columns


@dataclass(frozen=True)
class Resource:
    """One kind that is served. `versions` are the served ones, the preferred first; `storage` is what is
    stored.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str = ""
    short: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    custom: bool = False

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return group_version(self.group, self.version)

    @property
    def served(self) -> tuple[str, ...]:
        return self.versions or (self.version,)

    @property
    def single(self) -> str:
        return self.singular or self.kind.lower()


def group_version(group: str, version: str) -> str:
    return f"{group}/{version}" if group else version


def _r(
    gv: str,
    kind: str,
    plural: str,
    short: str = "",
    subs: str = "",
    *,
    cluster: bool = False,
    all_: bool = False,
) -> Resource:
    group, _, version = gv.rpartition("/")
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        short=tuple(short.split()),
        namespaced=not cluster,
        subresources=tuple(subs.split()),
        categories=("all",) if all_ else (),
    )


BUILTIN: tuple[Resource, ...] = (
    _r("v1", "Namespace", "namespaces", "ns", "status finalize", cluster=True),
    _r("v1", "Node", "nodes", "no", "status", cluster=True),
    _r("v1", "PersistentVolume", "persistentvolumes", "pv", "status", cluster=True),
    _r("v1", "Pod", "pods", "po", "status log eviction binding", all_=True),
    _r("v1", "Service", "services", "svc", "status", all_=True),
    _r("v1", "ConfigMap", "configmaps", "cm"),
    _r("v1", "Secret", "secrets"),
    _r("v1", "ServiceAccount", "serviceaccounts", "sa", "token"),
    _r("v1", "Event", "events", "ev"),
    _r("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "status"),
    _r("v1", "Endpoints", "endpoints", "ep"),
    _r("v1", "ResourceQuota", "resourcequotas", "quota", "status"),
    _r("v1", "LimitRange", "limitranges", "limits"),
    _r("v1", "ReplicationController", "replicationcontrollers", "rc", "status scale", all_=True),
    _r("apps/v1", "Deployment", "deployments", "deploy", "status scale", all_=True),
    _r("apps/v1", "ReplicaSet", "replicasets", "rs", "status scale", all_=True),
    _r("apps/v1", "StatefulSet", "statefulsets", "sts", "status scale", all_=True),
    _r("apps/v1", "DaemonSet", "daemonsets", "ds", "status", all_=True),
    _r("apps/v1", "ControllerRevision", "controllerrevisions"),
    _r("batch/v1", "Job", "jobs", "", "status", all_=True),
    _r("batch/v1", "CronJob", "cronjobs", "cj", "status", all_=True),
    _r("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "status", all_=True),
    _r("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "status"),
    _r("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    _r("networking.k8s.io/v1", "Ingress", "ingresses", "ing", "status"),
    _r("networking.k8s.io/v1", "IngressClass", "ingressclasses", cluster=True),
    _r("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol"),
    _r("rbac.authorization.k8s.io/v1", "Role", "roles"),
    _r("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    _r("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", cluster=True),
    _r("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", cluster=True),
    _r("coordination.k8s.io/v1", "Lease", "leases"),
    _r("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", cluster=True),
    _r("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc", cluster=True),
    _r(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd crds",
        "status",
        cluster=True,
    ),
)


class Resources:
    """The kinds served at this moment; CustomResourceDefinitions come and go."""

    def __init__(self) -> None:
        self._by_name: dict[str, Resource] = {resource.name: resource for resource in BUILTIN}
        self.generation = 0  # moves whenever a custom resource comes, changes or goes
        self._types: dict[str, Node] = {}
        self._columns: dict[tuple[str, str], Columns] = {}

    def get(self, name: str) -> Resource:
        """The resource of a qualified name; ApiError 404 when it is not served."""
        found = self._by_name.get(name)
        if found is None:
            raise errors.no_such_path()
        return found

    def find(self, group: str, version: str, plural: str) -> Resource:
        resource = self.get(f"{plural}.{group}" if group else plural)
        if version not in resource.served:
            raise errors.no_such_path()
        return resource

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource that serves `kind` in the group of `api_version`, or None."""
        group = api_version.rpartition("/")[0]
        return next((r for r in self._by_name.values() if r.kind == kind and r.group == group), None)

    def type_of(self, resource: Resource) -> Node:
        """The type of a resource's objects, in the version that is stored."""
        if resource.custom:
            return self._types[resource.name]
        return schema.builtin(resource.api_version, resource.kind)

    def columns(self, resource: Resource, version: str) -> Columns:
        """The columns of a resource's table."""
        return self._columns.get((resource.name, version)) or tables.columns(resource.name)

    def add(self, resource: Resource, type_: Node, columns: dict[str, Columns]) -> None:
        """Serve a custom resource; `columns` are those of each version."""
        self._by_name[resource.name] = resource
        self._types[resource.name] = type_
        self.generation += 1
        self._columns |= {(resource.name, version): found for version, found in columns.items()}

    def remove(self, name: str) -> None:
        self._by_name.pop(name, None)
        self.generation += 1

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._by_name.values()))
