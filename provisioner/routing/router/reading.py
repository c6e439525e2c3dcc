"""A chain's Services as they are in the cluster, and what stands in the way of attaching them. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain, Driver
from provisioner.cluster import Cluster
from provisioner.errors import PermanentError
from provisioner.routing.router import attachment, backends, eligibility
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.backends import Backend
from provisioner.routing.router.eligibility import CannotAttachError

Json = dict[str, Any]

READ = ("Service", "Pod", "NetworkPolicy", "EndpointSlice")


@dataclass(frozen=True)
class Found:
    """A chain in one namespace, as read: its Services, those that it no longer lists though they are still
    attached, the twins by their Services' names, and what NetworkPolicies there are."""

    namespace: str
    attached: tuple[Attachment, ...]
    leftovers: tuple[Json, ...]
    twins: dict[str, Json]
    policies: tuple[Json, ...] = ()
    backends: tuple[Backend, ...] = ()

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.attached]


def read(chain: Chain, cluster: Cluster) -> list[Found]:
    """The chain as it is in the cluster. PermanentError names every right that is missing, CannotAttachError
    every Service that is refused."""
    refused: list[str] = []
    if chain.driver is not Driver.ENVOY:
        raise CannotAttachError(
            f"its routing.driver is {chain.driver}, which needs no router of ours",
            where=f"chain {chain.name}",
        )
    raise_together(list(_unreadable(chain, cluster)), f"attach {chain.name}")
    found = [_read_namespace(chain, namespace, cluster, refused) for namespace in chain.namespaces]
    if refused:
        raise CannotAttachError("; ".join(refused), where=f"chain {chain.name}")
    return found


def _unreadable(chain: Chain, cluster: Cluster) -> Iterator[PermanentError]:
    """What may not be read of all that will be, so that it is said at once and not one by one."""
    for namespace in chain.namespaces:
        for kind in READ:
            try:
                cluster.list(kind, namespace)
            except PermanentError as error:
                yield error


def _read_namespace(chain: Chain, namespace: str, cluster: Cluster, refused: list[str]) -> Found:
    names = {one.name for one in chain.services if one.namespace == namespace}
    every = {one["metadata"]["name"]: one for one in cluster.list("Service", namespace)}
    twins = twins_of(chain.name, every.values())
    services = {name: attachment.recovered(one, twins.get(name)) for name, one in every.items()}
    pods = cluster.list("Pod", namespace)
    wrong = eligibility.refusals(chain.name, names, services, pods)
    refused += [f"{namespace}/{name}: {why}" for name, why in wrong.items()]
    others = {name: one for name, one in services.items() if _is_leftover(one, chain.name, names, twins)}
    listed = {name: services[name] for name in names - wrong.keys()}
    attached = attachment.attachments(chain.name, listed, others)
    return Found(
        namespace,
        attached,
        tuple(others.values()),
        twins,
        tuple(cluster.list("NetworkPolicy", namespace)),
        tuple(backends.backend(one, pods) for one in attached),
    )


def twins_of(chain: str, services: Iterable[Json]) -> dict[str, Json]:
    """A chain's twins among the Services of a namespace, by the names of the Services that they are of."""
    wanted = {**labels.of_chain(chain), labels.ROLE: attachment.BASELINE}
    return {
        marks[labels.SERVICE]: one
        for one in services
        if wanted.items() <= (marks := one["metadata"].get("labels") or {}).items()
    }


def _is_leftover(service: Json, chain: str, names: set[str], twins: dict[str, Json]) -> bool:
    name = service["metadata"]["name"]
    ours = attachment.chain_of(service) == chain or (attachment.is_noted(service) and name in twins)
    return ours and name not in names


def raise_together(problems: Sequence[PermanentError], where: str) -> None:
    """Raises one error that says all of them; nothing where there is none."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        said = dict.fromkeys(str(one) for one in problems)
        raise PermanentError("; ".join(said), where=where, reason=problems[0].reason)
