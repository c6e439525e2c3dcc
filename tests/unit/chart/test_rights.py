"""What no list of rights may hold, and that the page about security says what the list says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from devcluster.dev import accounts
from devcluster.dev.accounts import Installation
from provisioner.chain.model import Driver
from provisioner.kinds import KINDS
from provisioner.routing import drivers

Json = dict[str, Any]
PAGE = Path(__file__).parents[3] / "docs" / "security.md"
BEGIN, END = "<!-- rights: from charts/laneway/files/rights.yaml -->\n", "<!-- end of rights -->"
PLACES = {
    "cluster": "the cluster",
    "installation": "Laneway's namespace",
    "default": "`default`",
    "chains": "the chains' namespaces",
}


def rules() -> list[tuple[str, Json]]:
    return [(process, rule) for process, listed in accounts.rights().items() for rule in listed]


def test_no_right_is_a_wildcard() -> None:
    for process, rule in rules():
        for part in ("apiGroups", "resources", "verbs"):
            assert rule[part] and "*" not in rule[part], (process, rule)


def test_only_lanes_and_releases_are_reached_in_the_whole_cluster() -> None:
    reached = {(*rule["apiGroups"], *rule["resources"]) for _, rule in rules() if rule["scope"] == "cluster"}
    kinds = ("lanes", "lanes/status", "releases", "releases/status")
    assert reached == {("laneway.dev", kind) for kind in kinds}


def test_secrets_are_read_by_name_alone() -> None:
    found = [rule for _, rule in rules() if "secrets" in rule["resources"]]
    assert found
    assert all(rule["names"] == ["{credentials}"] and rule["verbs"] == ["get"] for rule in found)


def test_nobody_may_grant_rights_or_act_as_somebody_else() -> None:
    escalating = {"escalate", "bind", "impersonate"}
    for process, rule in rules():
        assert "rbac.authorization.k8s.io" not in rule["apiGroups"], process
        assert not escalating & set(rule["verbs"]), process
        assert not {"serviceaccounts/token", "pods/exec"} & set(rule["resources"]), process


def test_what_a_chain_names_is_filled_in() -> None:
    listed = {"worker": [_secret(["{credentials}"], "installation"), _secret(["x-{chain}"], "chains")]}
    made = accounts.roles(listed, Installation("own", ["a", "b"], ["n", "m"], ["git"]))

    assert {(one["metadata"]["namespace"], *one["rules"][0]["resourceNames"]) for one in made[::2]} == {
        ("own", "git"),
        ("n", "x-a", "x-b"),
        ("m", "x-a", "x-b"),
    }


def test_a_rule_whose_names_come_to_nothing_grants_nothing() -> None:
    listed = {"worker": [_secret(["{credentials}"], "installation")]}

    assert accounts.roles(listed, Installation("own", ["a"], ["n"])) == []


def test_a_drivers_rights_are_granted_where_it_routes_and_nowhere_else() -> None:
    routed = {"here": {"envoy", "istio"}, "there": {"envoy"}}
    made = accounts.roles(accounts.rights(), Installation("own", ["a"], ["here", "there"], (), routed))
    granted = {
        one["metadata"]["namespace"]
        for one in made[::2]
        for rule in one["rules"]
        if "networking.istio.io" in rule["apiGroups"]
    }
    assert granted == {"here"}


def test_rights_on_rollouts_are_granted_where_a_chain_has_one_and_nowhere_else() -> None:
    traits = {"here": {"envoy", "Rollout"}, "there": {"istio", "Deployment"}}
    made = accounts.roles(accounts.rights(), Installation("own", ["a"], ["here", "there"], (), traits))
    granted = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in made[::2]
        for rule in one["rules"]
        if "argoproj.io" in rule["apiGroups"]
    }
    assert granted == {("here", f"laneway-{name}-chains") for name in ("worker", "sweep", "beat")}


@pytest.mark.parametrize("driver", [Driver.GATEWAY_API, Driver.ISTIO])
def test_a_drivers_rights_are_those_that_its_tables_ask_for(driver: Driver) -> None:
    """What it reads is listed and watched; what lanes own is made and removed, and where it writes shared
    objects of that kind, replaced. The sweep looks for lanes that are gone in what lanes share."""
    asked = drivers.mesh(driver)
    assert asked is not None
    read = {"EndpointSlice", *asked.reads, *asked.owns}
    made = {kind: {"create", "patch", "delete"} for kind in asked.owns}
    shared = {kind: {"update"} for kind in asked.owns if asked.finalizer and kind in asked.reads}
    wanted = {
        "worker": {kind: {"list"} | made.get(kind, set()) | shared.get(kind, set()) for kind in read},
        "beat": {kind: {"list", "watch"} for kind in read},
        "sweep": {kind: {"list"} for kind in asked.shares},
    }
    found: dict[str, dict[str, set[str]]] = {process: {} for process in wanted}
    for process, rule in rules():
        if driver in rule.get("drivers", ()):
            for kind in kinds_of(rule):
                found[process].setdefault(kind, set()).update(rule["verbs"])
    assert found == wanted


def kinds_of(rule: Json) -> list[str]:
    """The kinds whose resources a rule names."""
    return [
        one.kind
        for one in KINDS.values()
        if one.group in rule["apiGroups"] and one.plural in rule["resources"]
    ]


def test_the_page_about_security_has_the_table_of_today() -> None:
    """LANEWAY_REGENERATE=1 writes it anew."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    wanted = f"{before}{BEGIN}{table()}{end}{after}"
    if os.environ.get("LANEWAY_REGENERATE"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted


def table() -> str:
    heading = "\n| process | where | may | on | why |\n|---|---|---|---|---|\n"
    return heading + "".join(map(_row, rules())) + "\n"


def _row(entry: tuple[str, Json]) -> str:
    process, rule = entry
    group = rule["apiGroups"][0]
    things = ", ".join(f"`{one}.{group}`" if group else f"`{one}`" for one in rule["resources"])
    named = f" named {', '.join(f'`{name}`' for name in rule['names'])}" if "names" in rule else ""
    place = PLACES[rule["scope"]]
    if "drivers" in rule:
        place = f"namespaces of chains routed by {' or '.join(f'`{one}`' for one in rule['drivers'])}"
    if "workloads" in rule:
        place = f"namespaces where a chain has a `{'` or a `'.join(rule['workloads'])}`"
    return f"| {process} | {place} | {', '.join(rule['verbs'])} | {things}{named} | {rule['why']} |\n"


def _secret(names: list[str], scope: str) -> Json:
    return {"scope": scope, "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "names": names}
