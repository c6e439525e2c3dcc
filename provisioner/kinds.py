"""The kinds of Kubernetes object that Laneway touches, and how their requests are addressed. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner import labels


@dataclass(frozen=True)
class Kind:
    """One kind as the API server serves it."""

    kind: str
    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """Its API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The request path; an empty namespace means all of them, an empty name the whole list."""
        parts = ["apis" if "/" in self.api_version else "api", self.api_version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/" + "/".join(parts)


_ALL = (
    Kind("Lane", labels.API_VERSION, "lanes", namespaced=False),
    Kind("Release", labels.API_VERSION, "releases", namespaced=False),
    Kind("Namespace", "v1", "namespaces", namespaced=False),
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("Event", "v1", "events"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("Pod", "v1", "pods"),
    Kind("Secret", "v1", "secrets"),
    Kind("Service", "v1", "services"),
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    Kind("DaemonSet", "apps/v1", "daemonsets"),
    Kind("Deployment", "apps/v1", "deployments"),
    Kind("ReplicaSet", "apps/v1", "replicasets"),
    Kind("StatefulSet", "apps/v1", "statefulsets"),
    Kind("CronJob", "batch/v1", "cronjobs"),
    Kind("Job", "batch/v1", "jobs"),
    Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    Kind("Lease", "coordination.k8s.io/v1", "leases"),
    Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
    Kind("Ingress", "networking.k8s.io/v1", "ingresses"),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    Kind("Gateway", "gateway.networking.k8s.io/v1", "gateways"),
    Kind("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes"),
    Kind("GRPCRoute", "gateway.networking.k8s.io/v1", "grpcroutes"),
    Kind("ReferenceGrant", "gateway.networking.k8s.io/v1beta1", "referencegrants"),
    Kind("DestinationRule", "networking.istio.io/v1", "destinationrules"),
    Kind("Rollout", "argoproj.io/v1alpha1", "rollouts"),
    Kind("EnvoyFilter", "networking.istio.io/v1alpha3", "envoyfilters"),
    Kind("VirtualService", "networking.istio.io/v1", "virtualservices"),
    Kind(
        "CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False
    ),
)
KINDS = {one.kind: one for one in _ALL}
