"""Puts the router in front of a chain's Services, and takes it away again.

The order of the writes is what keeps every request answered: notes and twins first, then the router, and only
when its pods have their configuration does a Service lead to them. Back: the Services first, then the router,
once its connections ended, then the twins. Each step can be repeated; the next run finishes what an
interrupted one began.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from provisioner import labels
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.errors import ConflictError, ForeignObjectError, TemporaryError
from provisioner.routing.router import attachment, deployment
from provisioner.routing.router.attachment import Attachment
from provisioner.routing.router.deployment import RouterSettings

Json = dict[str, Any]

POLL_SECONDS = 0.1
CONFLICTS = 5  # how often an update is tried again because somebody else wrote meanwhile


@dataclass(frozen=True)
class Step:
    """One write that was made, or would be: what (create, change, delete), and of which object."""

    what: str
    kind: str
    namespace: str
    name: str
    detail: str = ""

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.what} {self.kind} {self.namespace}/{self.name}{detail}"


@dataclass(frozen=True)
class Work:
    """What a run needs: `seconds` bounds each wait, `dry` writes nothing."""

    cluster: Cluster
    settings: RouterSettings
    seconds: float = 120.0
    dry: bool = False


def attach(chain: Chain, work: Work) -> Iterator[Step]:
    """Attaches every Service of the chain; yields each write that was needed, none when all is attached.

    Raises CannotAttachError before anything is written, ForeignObjectError for an object of a wanted name
    that is not ours, TemporaryError when the router does not get ready in time.
    """
    plans = [(namespace, _found(chain, namespace, work.cluster)) for namespace in chain.namespaces]
    for namespace, found in plans:
        yield from _attach_namespace(chain, namespace, found, work)


def _found(chain: Chain, namespace: str, cluster: Cluster) -> tuple[Attachment, ...]:
    services = {one["metadata"]["name"]: one for one in cluster.list("Service", namespace)}
    return attachment.attachments(chain, namespace, services)


def _attach_namespace(
    chain: Chain, namespace: str, found: Sequence[Attachment], work: Work
) -> Iterator[Step]:
    for one in found:
        yield from _update(one.service, partial(_annotate, one), "note", work)
        yield from _apply(attachment.twin(one), work)
    ports = attachment.listener_ports(tuple(found))
    if not work.dry:
        _wait(lambda: _missing_endpoints(found, work.cluster), work.seconds)
    yield from _apply(deployment.deployment(chain, namespace, ports, work.settings), work)
    if not work.dry:
        _wait(lambda: _not_rolled_out(chain.name, namespace, work.cluster), work.seconds)
    for one in found:
        yield from _update(one.service, partial(_switch, one), "switch", work)


def _annotate(planned: Attachment, now: Json) -> Json:
    return attachment.annotated(replace(planned, service=now))


def _switch(planned: Attachment, now: Json) -> Json:
    return attachment.switched(replace(planned, service=now))


def detach(chain: Chain, work: Work) -> Iterator[Step]:
    """Restores every Service of the chain and removes the router; yields each write that was needed."""
    for namespace in chain.namespaces:
        names = {one.name for one in chain.services if one.namespace == namespace}
        for service in work.cluster.list("Service", namespace):
            if service["metadata"]["name"] in names:
                yield from _update(service, attachment.restored, "restore", work)
        yield from _remove(chain.name, namespace, work)


def _remove(chain: str, namespace: str, work: Work) -> Iterator[Step]:
    """The router, then, when its pods are gone, the twins: until then they tell it of the baseline."""
    selector = f"{labels.CHAIN}={chain},{labels.ROLE}="
    for one in work.cluster.list("Deployment", namespace, selector + deployment.ROUTER):
        yield from _delete(one, work)
    if not work.dry:
        _wait(lambda: _pods_left(selector + deployment.ROUTER, namespace, work.cluster), work.seconds)
    for one in work.cluster.list("Service", namespace, selector + attachment.BASELINE):
        yield from _delete(one, work)


def _update(service: Json, change: Callable[[Json], Json], what: str, work: Work) -> Iterator[Step]:
    """Changes a Service on condition that nobody wrote meanwhile; else reads it and tries again."""
    metadata = service["metadata"]
    for _ in range(CONFLICTS):
        now = work.cluster.get("Service", metadata["name"], metadata["namespace"])
        if now is None or (wanted := change(now)) == now:
            return
        try:
            if not work.dry:
                work.cluster.replace(wanted)
        except ConflictError:
            continue
        yield Step(what, "Service", metadata["namespace"], metadata["name"], _difference(now, wanted))
        return
    raise ConflictError(
        "it is written to all the time; stop the tool that does so, or try again",
        where=f"Service {metadata['namespace']}/{metadata['name']}",
    )


def _difference(before: Json, after: Json) -> str:
    """What of a Service's spec changes, for people."""
    old, new = before["spec"], after["spec"]
    parts = [] if old["selector"] == new["selector"] else [f"selector {old['selector']} -> {new['selector']}"]
    parts += [
        f"port {was['port']} -> {now.get('targetPort')} (was {was.get('targetPort')})"
        for was, now in zip(old["ports"], new["ports"], strict=True)
        if was != now
    ]
    return ", ".join(parts)


def _apply(wanted: Json, work: Work) -> Iterator[Step]:
    """Creates or changes an object of our own; one of its name that is not ours is left alone."""
    metadata = wanted["metadata"]
    before = work.cluster.get(wanted["kind"], metadata["name"], metadata["namespace"])
    _refuse_foreign(before, wanted)
    stamped = _stamped(wanted)
    if before and _stamp(before) == _stamp(stamped):
        return
    if not work.dry:
        work.cluster.apply(stamped, force=True)
    yield Step("change" if before else "create", wanted["kind"], metadata["namespace"], metadata["name"])


def _refuse_foreign(before: Json | None, wanted: Json) -> None:
    chain = wanted["metadata"]["labels"][labels.CHAIN]
    marks = (before["metadata"].get("labels") or {}) if before else labels.of_chain(chain)
    if any(marks.get(key) != value for key, value in labels.of_chain(chain).items()):
        raise ForeignObjectError(
            "exists and is not Laneway's; rename or remove it",
            where=f"{wanted['kind']} {wanted['metadata']['namespace']}/{wanted['metadata']['name']}",
        )


def _stamped(wanted: Json) -> Json:
    """With a hash of itself, so that the next run knows whether anything is to be written."""
    metadata = wanted["metadata"]
    note = {labels.SPEC_HASH: attachment.digest(wanted)}
    return {**wanted, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **note}}}


def _stamp(obj: Json) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(labels.SPEC_HASH, ""))


def _delete(obj: Json, work: Work) -> Iterator[Step]:
    metadata = obj["metadata"]
    if not work.dry:
        work.cluster.delete(obj["kind"], metadata["name"], metadata["namespace"], uid=metadata["uid"])
    yield Step("delete", obj["kind"], metadata["namespace"], metadata["name"])


def _wait(missing: Callable[[], str], seconds: float) -> None:
    """Until nothing is missing; TemporaryError that says what is, after that long."""
    deadline = time.monotonic() + seconds
    while what := missing():
        if time.monotonic() > deadline:
            raise TemporaryError(
                f"after {seconds:.0f} s: {what}; what was done stays and harms nothing: run it again",
                reason="NotReady",
            )
        time.sleep(POLL_SECONDS)


def _missing_endpoints(found: Sequence[Attachment], cluster: Cluster) -> str:
    """Services whose twin has no ready endpoint although they have one themselves."""
    namespace = found[0].service["metadata"]["namespace"]
    slices = cluster.list("EndpointSlice", namespace)
    behind = [
        one.name
        for one in found
        if not attachment.is_attached(one.service)
        and _serves(slices, one.name)
        and not _serves(slices, attachment.twin_name(one.name))
    ]
    return (
        f"no endpoints yet for {', '.join(attachment.twin_name(name) for name in behind)}" if behind else ""
    )


def _serves(slices: Sequence[Json], service: str) -> bool:
    """Whether a Service has an endpoint that takes traffic."""
    return any(
        (endpoint.get("conditions") or {}).get("ready", True)
        for one in slices
        if (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service
        for endpoint in one.get("endpoints") or ()
    )


def _not_rolled_out(chain: str, namespace: str, cluster: Cluster) -> str:
    """Why the router's Deployment is not complete; empty when every pod is new and ready."""
    name = deployment.name(chain)
    found = cluster.get("Deployment", name, namespace) or {}
    status, wanted = found.get("status", {}), found.get("spec", {}).get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= found.get("metadata", {}).get("generation", 1)
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    if seen and counts == [wanted] * 3:
        return ""
    return f"Deployment {namespace}/{name} has {counts[2]} of {wanted} pods ready (kubectl describe says why)"


def _pods_left(selector: str, namespace: str, cluster: Cluster) -> str:
    pods = cluster.list("Pod", namespace, selector)
    return f"{len(pods)} router pods in {namespace} still drain" if pods else ""
