"""The cases of tests/data/drivers: a chain, its Services, its lanes with their copies, and what users wrote.

chain     laneway.yaml; `chain`, `namespace`, `repositories` and each service's workload and image are
          filled in, and services may be a list of names
services  Services by name: a list of ports, as Kubernetes has them; `NAMESPACE/NAME` elsewhere than in shop
lanes     by name: mode, parent, and copies: SERVICE to ready or unready
release   the one that runs: its name, which is its lane's, weight, phase, services, and strategy
theirs    objects of users
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from provisioner import names
from provisioner.chain.grammar import parse
from provisioner.chain.model import Chain
from provisioner.chain.releasing import strategy_of
from provisioner.lane.model import Lane, Mode
from provisioner.release.model import Change, Release
from provisioner.routing import mesh_intent
from provisioner.routing.intent import ChainIntent
from provisioner.routing.mesh import Existing, Responder
from provisioner.routing.slices import Slice

Json = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "data" / "drivers"
CASES = sorted(FOLDER.glob("*.in.yaml"))
RESPONDER = Responder("laneway-responder", "laneway-system", 8080, 8081)


def name(path: Path) -> str:
    return path.name.removesuffix(".in.yaml")


def read(path: Path) -> Json:
    return dict(yaml.safe_load(path.read_text()))


def chain(case: Json, driver: str) -> Chain:
    """The case's chain, routed by a driver."""
    given = dict(case["chain"])
    services = given.pop("services")
    listed = services if isinstance(services, dict) else {one: {} for one in services}
    whole = {
        "chain": "shop",
        "namespace": "shop",
        "repositories": [{"url": "https://x.example/acme/shop"}],
        "services": {
            one: {"paths": [f"{one}/**"], "workload": f"Deployment/{one}", "image": "x:{sha}", **more}
            for one, more in listed.items()
        },
        **given,
        "routing": {**given.get("routing", {}), "driver": driver},
    }
    return parse(yaml.safe_dump(whole), "laneway.yaml")


def lanes(case: Json) -> dict[str, Lane]:
    """The case's lanes, each with the status that says which services are its own."""
    return {
        called: Lane(
            "shop",
            called,
            mode=Mode(given.get("mode", "loose")),
            parent=given.get("parent", ""),
            uid=f"uid-of-{called}",
            status={"services": [{"name": one, "inLane": True} for one in given.get("copies", {})]},
        )
        for called, given in case["lanes"].items()
    }


def services(case: Json) -> tuple[Json, ...]:
    """The baseline's Services."""
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": where[1], "namespace": where[0]},
            "spec": {
                "selector": {"app": where[1]},
                **(given if isinstance(given, dict) else {"ports": given}),
            },
        }
        for called, given in case["services"].items()
        for where in [_where(called)]
    )


def _where(called: str) -> tuple[str, str]:
    namespace, _, name = called.rpartition("/")
    return namespace or "shop", name


def slices(case: Json) -> list[Slice]:
    """The EndpointSlices of the lanes' copies."""
    there = {one["metadata"]["name"]: one for one in services(case)}
    return [
        Slice(
            (there[service]["metadata"]["namespace"], names.derived(service, lane)),
            "shop",
            service,
            lane,
            ("10.0.0.7",) if state == "ready" else (),
            (),
            tuple((one.get("name", ""), one["port"]) for one in there[service]["spec"]["ports"]),
        )
        for lane, given in case["lanes"].items()
        for service, state in given.get("copies", {}).items()
    ]


def release(case: Json) -> Release | None:
    """The case's release, as it runs."""
    given = case.get("release")
    if given is None:
        return None
    changes = tuple(Change(one, f"{one}:new") for one in given["services"])
    strategy = strategy_of(given.get("strategy", {}), "release")
    status = {"phase": given.get("phase", "Progressing"), "weight": given["weight"]}
    return Release("shop", given["name"], changes, strategy, status=status)


def intent(case: Json, driver: str) -> ChainIntent:
    there = lanes(case).values()
    return mesh_intent.build(chain(case, driver), services(case), slices(case), there, release(case))


def existing(case: Json) -> Existing:
    """What a driver is told beside the intent."""
    known = lanes(case)
    theirs = tuple(case.get("theirs", ()))
    return Existing(known, services(case), theirs, responder=RESPONDER, named=frozenset(known))
