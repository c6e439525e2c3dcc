"""What cannot be cloned safely, said by name with the reason and the setting that resolves it.

Every function here looks at one service of the chain and at what the cluster holds, and raises RefusedError
or gives back what was asked for. `clone: true` in the chain file is the owner's word that a doubtful clone is
wanted; it does not help where no copy could work at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from provisioner import labels
from provisioner.chain.model import Chain, Driver, Service
from provisioner.copies import rollouts, selection
from provisioner.errors import RefusedError

Json = dict[str, Any]

CLONEABLE = ("Deployment", "StatefulSet", rollouts.KIND)
_SHARED_MODES = frozenset(("ReadWriteMany", "ReadOnlyMany"))

_WHY_NOT = {
    "DaemonSet": "a DaemonSet runs on every node and is reached there, so a copy would double it everywhere; "
    "run the service as a Deployment, or leave it out of the chain",
    "Job": "a Job runs to its end and answers no requests; leave it out of the chain",
    "CronJob": "a copy of a CronJob would do its scheduled work a second time; leave it out of the chain",
    "Pod": "a bare Pod cannot be updated in place and nothing starts it again; "
    "run the service as a Deployment",
    "ReplicaSet": "a ReplicaSet belongs to its Deployment; name that Deployment",
}


def refuse(service: Service, message: str) -> NoReturn:
    """Raises RefusedError about this service, placed as every refusal is."""
    raise RefusedError(message, where=f"service {service.name}, {service.workload}")


def workload(service: Service, workloads: Iterable[Json]) -> Json:
    """The baseline workload that the chain file names, among those of the cluster."""
    if service.workload.kind not in CLONEABLE:
        why = _WHY_NOT.get(
            service.workload.kind, "only a Deployment, a StatefulSet or a Rollout can be copied"
        )
        refuse(service, why)
    here = {
        f"{one['kind']}/{one['metadata']['name']}": one
        for one in workloads
        if one["metadata"]["namespace"] == service.namespace
    }
    found = here.get(str(service.workload))
    if found is None:
        refuse(service, _absent(_missing(service), service, here))
    if not rollouts.has_template(found):
        refuse(service, _without_template(found))
    return found


def shared_routes(service: Service, chain: Chain, workloads: Iterable[Json]) -> None:
    """Refuses a Rollout whose VirtualService must get no route of a lane."""
    wanted = (service.workload.kind, service.workload.name, service.namespace)
    for one in workloads if chain.driver is Driver.ISTIO and wanted[0] == rollouts.KIND else ():
        here = (one["kind"], one["metadata"]["name"], one["metadata"]["namespace"])
        if here == wanted and (why := rollouts.unnamed_routes(one)):
            refuse(service, why)


def container(service: Service, pod: Json) -> str:
    """The name of the container that gets the branch's image: the named one, else the first."""
    names = [str(one["name"]) for one in pod["containers"]]
    if service.container and service.container not in names:
        refuse(
            service,
            f"it has no container {service.container}; set `container` to one of: {', '.join(names)}",
        )
    return service.container or names[0]


def image(service: Service, wanted: str) -> None:
    """Refuses a service whose image pattern gave nothing."""
    if not wanted.strip():
        refuse(service, "its image is empty; set `image` in the chain file")


def host_network(service: Service, pod: Json) -> None:
    """Refuses a pod on its node's own network: the copy would want the same ports."""
    if pod.get("hostNetwork") and not service.clone:
        refuse(
            service,
            "it uses the node's network (hostNetwork), where a copy meets the baseline's ports; "
            "`clone: true` copies it all the same",
        )


def claims(service: Service, pod: Json, known: Iterable[Json]) -> None:
    """Refuses a pod that mounts a claim which one node, or one pod, has for itself."""
    modes = {
        one["metadata"]["name"]: frozenset(one["spec"].get("accessModes") or ())
        for one in known
        if one["metadata"]["namespace"] == service.namespace
    }
    for volume in pod.get("volumes") or ():
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if name and not service.clone and not modes.get(name, frozenset()) & _SHARED_MODES:
            refuse(service, _unshared(name, modes.get(name)))


def kube_service(service: Service, pod: selection.Labels, services: Iterable[Json]) -> Json | None:
    """The Service that leads to the workload's pods, as it is in the cluster; None, with `clone: true`, when
    there is none and the copy is to run without."""
    here = [one for one in services if one["metadata"]["namespace"] == service.namespace and not is_twin(one)]
    selecting = [one for one in here if _selects(one, pod)]
    found = next((one for one in selecting if one["metadata"]["name"] == service.name), None)
    if found is None and not service.clone:
        refuse(service, _unselected(service, [str(one["metadata"]["name"]) for one in selecting]))
    return found


def unescaped(service: Service, owners: Sequence[str]) -> None:
    """Refuses a copy that the selectors of `owners` would take whatever its labels are."""
    if owners:
        refuse(
            service,
            f"{', '.join(owners)} would also select the copy's pods, whatever their labels; "
            "narrow that selector to labels that the baseline's pods have",
        )


def surplus(service: Service, policy: str) -> NoReturn:
    """Refuses a copy that a NetworkPolicy would let do what its original cannot."""
    refuse(
        service,
        f"{policy} means the copy's pods, and not the baseline's: a copy could do more than its original; "
        "let the policy name what it means by labels that are there (In, Exists), or set `clone: true`",
    )


def is_twin(service: Json) -> bool:
    """Whether this is the headless Service that keeps an attached Service's selector."""
    return (service["metadata"].get("labels") or {}).get(labels.ROLE) == "baseline"


def _selects(service: Json, pod: selection.Labels) -> bool:
    selector = selection.service_selector(service)
    return selector is not None and selector.matches(pod)


def _missing(service: Service) -> str:
    said = f"namespace {service.namespace} has no such workload"
    return f"{said} (or the cluster no Argo Rollouts)" if service.workload.kind == rollouts.KIND else said


def _absent(message: str, service: Service, here: Collection[str]) -> str:
    by_name = {workload.partition("/")[2]: workload for workload in sorted(here)}
    close = get_close_matches(service.workload.name, by_name, n=1)
    hint = f"did you mean {by_name[close[0]]}? " if close else ""
    return f"{message}; {hint}it has: {', '.join(sorted(here)) or 'none'}"


def _without_template(rollout: Json) -> str:
    kind, name = rollouts.reference(rollout)
    if not name:
        return "it has neither a template with containers nor a workloadRef; Argo Rollouts runs no pod of it"
    if kind != "Deployment":
        return f"its workloadRef names {kind}/{name}; only the template of a Deployment can be copied"
    return (
        f"its workloadRef names Deployment/{name}, which the namespace does not have; create it, "
        "or name the workload that there is"
    )


def _unshared(name: str, modes: frozenset[str] | None) -> str:
    if modes is None:
        return f"it mounts PersistentVolumeClaim/{name}, which was not found; create it, or set `clone: true`"
    return (
        f"it mounts PersistentVolumeClaim/{name} ({', '.join(sorted(modes))}), which a second pod cannot "
        "share safely; use a StatefulSet's volumeClaimTemplates (each copy gets a claim of its own) or a "
        "ReadWriteMany claim, or set `clone: true`"
    )


def _unselected(service: Service, others: Sequence[str]) -> str:
    if others:
        return (
            f"Service/{service.name} does not lead to it, but {', '.join(sorted(others))} does; "
            "give the chain's service that name"
        )
    return (
        "no Service selects its pods, so it may be a consumer that would take the baseline's work; "
        "`clone: true` copies it all the same"
    )
