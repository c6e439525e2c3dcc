"""Puts the router in front of a chain's Services, and takes it away again.

The order of the writes is what keeps every request answered: notes and twins first, then the router, and only
when its pods have their configuration does a Service lead to them. Back: the Services first, then the router,
once no Service leads to it and its connections ended, then the twins. Each step can be repeated; the next run
finishes what an interrupted one began.

Before the first write everything is read and checked, and every write is rehearsed: what is wrong with any
Service, and every right that is missing, is said at once, and nothing is left half-done.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.errors import PermanentError
from provisioner.routing.router import attachment, awaiting, deployment, policies
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.deployment import RouterSettings
from provisioner.routing.router.eligibility import CannotAttachError
from provisioner.routing.router.reading import Found, raise_together, read, twins_of
from provisioner.routing.router.writing import Step, Writer

Json = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a run needs: `seconds` bounds each wait, `dry` writes nothing. For `settle` seconds after Services
    have been led away from the router, it stays as it is: node proxies follow EndpointSlices a moment later,
    and nothing tells when they have."""

    cluster: Cluster
    settings: RouterSettings
    seconds: float = 120.0
    dry: bool = False
    settle: float = 3.0


def attach(chain: Chain, work: Work) -> Iterator[Step]:
    """Attaches every Service of the chain; yields each write that was needed, none when all is attached.

    A Service that the chain lists no longer is restored. Raises CannotAttachError and PermanentError before
    anything is written, TemporaryError when the router does not get ready in time.
    """
    found = read(chain, work.cluster)
    rehearsal = Writer(work.cluster, dry=True)
    steps = list(_attach(chain.name, found, rehearsal, work))
    if work.dry:
        yield from steps
    raise_together(rehearsal.problems, f"attach {chain.name}")
    if not work.dry:
        yield from _attach(chain.name, found, Writer(work.cluster, dry=False), work)


def _attach(chain: str, found: Sequence[Found], writer: Writer, work: Work) -> Iterator[Step]:
    wanted = _policies(chain, found, work.settings)
    for here in found:
        yield from _prepare(chain, here, wanted[here.namespace], writer)
        yield from _release(chain, here, writer, work)
    for here in found:
        yield from _start(chain, here, writer, work)
    for here in found:
        yield from _lead(chain, here, writer, work)
    for here in found:
        yield from _prune(here, wanted[here.namespace], writer)


def _policies(chain: str, found: Sequence[Found], settings: RouterSettings) -> dict[str, list[Json]]:
    """The NetworkPolicies to write, by namespace. CannotAttachError where none would do."""
    everybody = tuple(one for here in found for one in here.backends)
    scenes = [
        policies.Scene(
            chain,
            here.namespace,
            everybody,
            policies.foreign(here.policies),
            settings.discovery_port,
            settings.home,
        )
        for here in found
    ]
    if refused := [f"{scene.namespace}/{why}" for scene in scenes for why in policies.refusals(scene)]:
        raise CannotAttachError("; ".join(refused), where=f"chain {chain}")
    return {scene.namespace: policies.extensions(scene) for scene in scenes}


def _prepare(chain: str, here: Found, wanted: Sequence[Json], writer: Writer) -> Iterator[Step]:
    """All that changes nothing for anybody yet."""
    for one in here.attached:
        yield from writer.update(one.service, partial(_annotate, one, here.twins), "note")
        yield from writer.apply(attachment.twin(one))
    for policy in wanted:
        yield from writer.apply(policy)
    yield from writer.apply(deployment.memory(chain, here.namespace))
    yield from writer.apply(deployment.budget(chain, here.namespace))


def _start(chain: str, here: Found, writer: Writer, work: Work) -> Iterator[Step]:
    """The router, once it can learn where the baseline is."""
    fresh = [one.name for one in here.attached if not attachment.is_attached(one.service)]
    if not writer.dry:
        awaiting.wait(partial(awaiting.twins_serve, work.cluster, here.namespace, fresh), work.seconds)
    ports = attachment.listener_ports(here.attached)
    yield from writer.apply(deployment.deployment(chain, here.namespace, ports, work.settings))


def _lead(chain: str, here: Found, writer: Writer, work: Work) -> Iterator[Step]:
    """The Services to the router, once all of its pods have their configuration."""
    where = (work.cluster, chain, here.namespace)
    if not writer.dry:
        awaiting.wait(partial(awaiting.rolled_out, *where), work.seconds)
    for one in here.attached:
        yield from writer.update(one.service, partial(_switch, one, here.twins), "switch")
    if not writer.dry:
        awaiting.wait(partial(awaiting.led_to_router, *where, here.names), work.seconds)


def _annotate(planned: Attachment, twins: dict[str, Json], now: Json) -> Json:
    return attachment.annotated(_renewed(planned, twins, now))


def _switch(planned: Attachment, twins: dict[str, Json], now: Json) -> Json:
    return attachment.switched(_renewed(planned, twins, now))


def _renewed(planned: Attachment, twins: dict[str, Json], now: Json) -> Attachment:
    """The attachment of the Service as it is at this moment."""
    return replace(planned, service=attachment.recovered(now, twins.get(planned.name)))


def _prune(here: Found, wanted: Sequence[Json], writer: Writer) -> Iterator[Step]:
    """Twins and policies of before that nothing needs any more."""
    names = {one["metadata"]["name"] for one in wanted}
    for policy in here.policies:
        marks = policy["metadata"].get("labels") or {}
        if marks.get(labels.ROLE) == deployment.ROUTER and policy["metadata"]["name"] not in names:
            yield from writer.delete(policy)
    for name, twin in here.twins.items():
        if name not in here.names:
            yield from writer.delete(twin)


def detach(chain: str, namespaces: Sequence[str], work: Work) -> Iterator[Step]:
    """Restores every Service that is attached to the chain in these namespaces, also one that its file lists
    no longer, and removes the router; yields each write that was needed.

    Raises PermanentError that says everything that is refused, before anything is written.
    """
    rehearsal = Writer(work.cluster, dry=True)
    steps = [step for one in namespaces for step in _detach(chain, one, rehearsal, work)]
    if work.dry:
        yield from steps
    raise_together(rehearsal.problems, f"detach {chain}")
    if not work.dry:
        writer = Writer(work.cluster, dry=False)
        for namespace in namespaces:
            yield from _detach(chain, namespace, writer, work)


def _detach(chain: str, namespace: str, writer: Writer, work: Work) -> Iterator[Step]:
    every = work.cluster.list("Service", namespace)
    ours = [one for one in every if _is_ours(one, chain)]
    twins = twins_of(chain, every)
    yield from _release(chain, Found(namespace, (), tuple(ours), twins), writer, work)
    yield from _remove(chain, namespace, twins, writer, work)


def _is_ours(service: Json, chain: str) -> bool:
    """Whether detaching the chain has to restore it: notes without a chain are an interrupted run's."""
    return attachment.chain_of(service) in (chain, "") and attachment.is_noted(service)


def _release(chain: str, here: Found, writer: Writer, work: Work) -> Iterator[Step]:
    """The leftovers back to what they were; returns when none of them leads to the router any more."""
    for service in here.leftovers:
        yield from _restore(service, here.twins.get(_name(service)), writer)
    names = [_name(one) for one in here.leftovers]
    if names and not writer.dry:
        awaiting.wait(partial(awaiting.led_away, work.cluster, chain, here.namespace, names), work.seconds)
        time.sleep(work.settle)


def _restore(service: Json, twin: Json | None, writer: Writer) -> Iterator[Step]:
    """One Service; what was written to it then belongs to whoever writes it next."""
    steps = list(writer.update(service, partial(_restored, twin), "restore"))
    yield from steps
    if steps:
        yield from writer.update(service, attachment.disowned, "disown")


def _restored(twin: Json | None, now: Json) -> Json:
    try:
        return attachment.restored(attachment.recovered(now, twin))
    except ValueError as error:
        raise PermanentError(
            f"{error}, and with it what the Service led to; set its selector and target ports by hand, "
            f"remove its annotations {', '.join(attachment.NOTES)}, and detach again",
            where=f"Service {now['metadata']['namespace']}/{_name(now)}",
            reason="CannotDetach",
        ) from error


def _remove(chain: str, namespace: str, twins: dict[str, Json], writer: Writer, work: Work) -> Iterator[Step]:
    """The router, then, when its pods are gone, what it worked with: until then it is needed."""
    selector = awaiting.of_router(chain)
    for one in work.cluster.list("Deployment", namespace, selector):
        yield from writer.delete(one)
    if not writer.dry:
        awaiting.wait(partial(awaiting.pods_gone, work.cluster, chain, namespace), work.seconds)
    for kind in ("PodDisruptionBudget", "ConfigMap", "NetworkPolicy"):
        for one in work.cluster.list(kind, namespace, selector):
            yield from writer.delete(one)
    for twin in twins.values():
        yield from writer.delete(twin)


def _name(obj: Json) -> str:
    return str(obj["metadata"]["name"])
