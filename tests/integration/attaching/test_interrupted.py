"""Attaching and detaching, ended at every single call that they make: at each of these moments every Service
leads to pods that answer, and the next run ends as one that was never disturbed.

The calls are found by recording one run, so that a new call is covered without anybody adding it here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from provisioner import labels
from provisioner.routing.attached import listeners
from provisioner.routing.router import attach as attaching
from provisioner.routing.router import attachment, deployment
from tests.integration.attaching.conftest import NAMESPACE, Prompt
from tests.support.crashes import Call, Crash, Moment, Mortal, Recorder, watched
from tests.support.routing import chain

Json = dict[str, Any]
Run = Callable[[Prompt], None]

pytestmark = pytest.mark.proof

BOTH = ("orders", "payment")
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
}


def attach(prompt: Prompt, services: tuple[str, ...] = BOTH) -> None:
    list(attaching.attach(chain(services), prompt.work))


def detach(prompt: Prompt) -> None:
    list(attaching.detach("shop", [NAMESPACE], prompt.work))


def exchange(prompt: Prompt) -> None:
    """Orders leaves the chain, payment stays."""
    attach(prompt, ("payment",))


def nothing(prompt: Prompt) -> None:
    pass


def made(prepare: Run) -> Prompt:
    """A cluster with a policy and two services, after `prepare`."""
    found = Prompt()
    found.cluster.create(DENY)
    for name in BOTH:
        found.run(name)
    with prompt_controllers(found):
        prepare(found)
    return found


@contextmanager
def prompt_controllers(
    prompt: Prompt, then: Callable[[Call, Moment], None] = lambda *_: None
) -> Iterator[None]:
    """Within the block all follows at once from every call, and `then` is told of it."""

    def hook(call: Call, moment: Moment) -> None:
        if moment is Moment.AFTER and prompt.settle():
            assert unanswered(prompt) == [], str(call)
        then(call, moment)

    with watched(hook):
        yield


def unanswered(prompt: Prompt) -> list[str]:
    """The Services whose requests would fail at this moment."""
    services = {one["metadata"]["name"]: one for one in prompt.cluster.list("Service", NAMESPACE)}
    return [name for name in BOTH if not answers(prompt, services[name], services)]


def answers(prompt: Prompt, service: Json, services: dict[str, Json]) -> bool:
    """It leads to its own pods and ports, or to a router that knows its listeners and its twin."""
    name, spec = service["metadata"]["name"], service["spec"]
    if spec["selector"] == {"app": name}:
        return [port["targetPort"] for port in spec["ports"]] == ["web", 9090]
    router = prompt.cluster.get("Deployment", deployment.name("shop"), NAMESPACE)
    twin = services.get(attachment.twin_name(name))
    if router is None or twin is None or spec["selector"] != deployment.marks("shop"):
        return False
    wanted = {port["targetPort"] for port in spec["ports"]}
    known = {int(one) for one in environment(router)["LANEWAY_LISTENERS"].split(",")}
    return wanted == set(listeners(twin).values()) and wanted <= known


def environment(router: Json) -> dict[str, str]:
    (container,) = router["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def facts(prompt: Prompt) -> list[str]:
    """All that attaching and detaching write, but for what the API server counts."""
    kinds = ("Service", "Deployment", "PodDisruptionBudget", "ConfigMap", "NetworkPolicy")
    return sorted(
        attachment.canonical([kind, one["metadata"]["name"], _said(one)])
        for kind in kinds
        for one in prompt.cluster.list(kind, NAMESPACE)
    )


def _said(one: Json) -> list[Any]:
    metadata = one["metadata"]
    notes = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != labels.SPEC_HASH
    }
    for key in (labels.ORIGINAL,):  # holds addresses, which differ from cluster to cluster
        notes[key] = str(key in notes)
    spec = {key: value for key, value in one.get("spec", {}).items() if not key.startswith("clusterIP")}
    return [metadata.get("labels"), notes, spec]


CASES: dict[str, tuple[Run, Run]] = {
    "attach": (nothing, attach),
    "detach": (attach, detach),
    "exchange": (attach, exchange),
}


@pytest.mark.parametrize("name", CASES)
def test_it_may_end_at_every_call(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    prepare, run = CASES[name]
    calls, after, untouched = undisturbed(prepare, run)
    for call in calls:
        for moment in Moment:
            assert continued(prepare, run, call, moment, run) == after, f"{call}, dead {moment}, then {name}"
            assert continued(prepare, run, call, moment, detach) == untouched, (
                f"{call}, dead {moment}, undone"
            )
    with capsys.disabled():
        print(f"\n{name}: {2 * len(calls)} points")


def undisturbed(prepare: Run, run: Run) -> tuple[list[Call], list[str], list[str]]:
    """The calls of one run, what is there after it, and what was there before anything."""
    prompt, recorder = made(prepare), Recorder([])
    with prompt_controllers(prompt, recorder):
        run(prompt)
    fresh = made(nothing)
    found = recorder.calls, facts(prompt), facts(fresh)
    prompt.close()
    fresh.close()
    return found


def continued(prepare: Run, run: Run, call: Call, moment: Moment, then: Run) -> list[str]:
    """What is there after a run that ended at a call and another that took over."""
    prompt = made(prepare)
    with prompt_controllers(prompt, Mortal(call.number, moment)), pytest.raises(Crash):
        run(prompt)
    prompt.settle()
    assert unanswered(prompt) == [], str(call)
    with prompt_controllers(prompt):
        then(prompt)
    found = facts(prompt)
    prompt.close()
    return found
