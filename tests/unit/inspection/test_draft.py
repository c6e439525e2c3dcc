"""`laneway init`: what it makes of a namespace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain import grammar
from provisioner.chain.model import Chain
from provisioner.inspection import draft, members
from provisioner.inspection.gather import Seen
from provisioner.inspection.members import Candidate, Sorted

Json = dict[str, Any]
SHOP = Path(__file__).parents[3] / "examples" / "shop"
NAMESPACE = "shop"


def running(*objects: Json) -> Seen:
    found: dict[tuple[str, str], tuple[Json, ...]] = {}
    for one in objects:
        one["metadata"]["namespace"] = NAMESPACE
        found[NAMESPACE, one["kind"]] = (*found.get((NAMESPACE, one["kind"]), ()), one)
    return Seen(found)


def shop() -> list[Json]:
    files = sorted((SHOP / "manifests").glob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text())]


def drafted(*objects: Json) -> tuple[str, Chain]:
    text = draft.text("shop", NAMESPACE, members.sort(NAMESPACE, running(*objects)))
    return text, grammar.parse(text, "laneway.yaml")


def workload(name: str, image: str = "ghcr.io/acme/x:1", kind: str = "Deployment", **spec: Any) -> Json:
    container = {"name": "app", "image": image, "ports": [{"name": "web", "containerPort": 8080}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": template, **spec}}


def service(name: str, app: str = "", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    return {
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app or name}, "ports": ports, **spec},
    }


def left_out(*objects: Json) -> dict[str, str]:
    return dict(members.sort(NAMESPACE, running(*objects)).left_out)


def test_the_shop_is_drafted_as_it_is_in_the_order_of_its_calls() -> None:
    _, chain = drafted(*shop())
    assert [one.name for one in chain.services] == ["frontend", "orders", "payment", "logistics"]
    assert [str(one.workload) for one in chain.services] == [
        f"Deployment/{one.name}" for one in chain.services
    ]
    assert chain.entry.service == "frontend"
    assert chain.namespaces == (NAMESPACE,)


def test_what_the_cluster_cannot_know_is_marked_as_a_guess() -> None:
    text, _ = drafted(*shop())
    for word in ("url:", "base:", "paths:", "image:"):
        lines = [line for line in text.splitlines() if word in line]
        assert lines
        assert all("# GUESS" in line for line in lines), word


@pytest.mark.parametrize(
    ("image", "pattern"),
    [
        ("ghcr.io/acme/payment:1.2.3", "ghcr.io/acme/payment:{sha}"),
        ("localhost:5000/payment", "localhost:5000/payment:{sha}"),
        ("registry.example.com:443/a/b:v1@sha256:0123", "registry.example.com:443/a/b:{sha}"),
    ],
)
def test_an_images_tag_becomes_the_commit(image: str, pattern: str) -> None:
    _, chain = drafted(service("payment"), workload("payment", image))
    assert chain.service("payment").image == pattern


def test_the_repository_is_guessed_from_where_the_images_lie() -> None:
    _, chain = drafted(service("payment"), workload("payment", "ghcr.io/acme/payment:1"))
    assert chain.repositories[0].url == "https://github.com/acme/shop.git"


def test_of_several_containers_the_one_that_answers_is_named() -> None:
    several = workload("payment")
    proxy = {"name": "proxy", "image": "proxy:1"}
    several["spec"]["template"]["spec"]["containers"].insert(0, proxy)
    _, chain = drafted(service("payment"), several)
    assert chain.service("payment").container == "app"


def test_an_ingress_tells_the_entry() -> None:
    backend = {"service": {"name": "orders", "port": {"number": 80}}}
    ingress = {
        "kind": "Ingress",
        "metadata": {"name": "shop"},
        "spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": backend}]}}]},
    }
    both = (service("orders"), workload("orders"), service("frontend"), workload("frontend"))
    assert drafted(*both, ingress)[1].entry.service == "orders"
    assert drafted(*both)[1].entry.service == "frontend"


def test_a_rollout_is_named_as_the_workload_wherever_its_template_is() -> None:
    first = workload("orders", kind="Rollout")
    second = workload("payment", kind="Rollout", workloadRef={"kind": "Deployment", "name": "pods"})
    del second["spec"]["template"]
    pods = workload("pods", replicas=0)
    pods["spec"]["template"]["metadata"]["labels"] = {"app": "payment"}
    _, chain = drafted(service("orders"), first, service("payment"), second, pods)
    assert [str(one.workload) for one in chain.services] == ["Rollout/orders", "Rollout/payment"]


LEFT_OUT: dict[str, tuple[list[Json], str, str]] = {
    "no selector": ([service("files", selector=None)], "files", "no selector"),
    "headless": ([service("files", clusterIP="None"), workload("files")], "files", "headless"),
    "external": ([service("mail", type="ExternalName")], "mail", "ExternalName"),
    "nothing behind it": ([service("ghost")], "ghost", "no Deployment, StatefulSet or Rollout"),
    "a DaemonSet": ([service("agent"), workload("agent", kind="DaemonSet")], "agent", "DaemonSet/agent"),
    "a database": (
        [service("db", ports=[{"name": "tcp-sql", "port": 5432, "targetPort": "web"}]), workload("db")],
        "db",
        "none of its ports is HTTP",
    ),
    "data of its own": (
        [service("index"), workload("index", kind="StatefulSet", volumeClaimTemplates=[{}])],
        "index",
        "keeps data",
    ),
    "a second name": (
        [service("payment"), service("money", app="payment"), workload("payment")],
        "money",
        "the same pods as payment",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_cannot_be_in_a_chain_is_left_out_with_the_reason(case: str) -> None:
    objects, name, words = LEFT_OUT[case]
    assert words in left_out(*objects)[name]
    text, chain = drafted(*objects, service("web"), workload("web"))
    assert name not in {one.name for one in chain.services}
    assert f"#   {name}: " in text


names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
candidates = st.builds(
    Candidate,
    name=names,
    workload=names.map(lambda name: f"Deployment/{name}"),
    container=st.one_of(st.just(""), names),
    image=st.from_regex(r"[a-z0-9./-]{1,20}(:[\w.]{1,9})?", fullmatch=True),
    ports=st.just(("http 80 -> web (http)",)),
    calls=st.frozensets(names, max_size=3),
    is_exposed=st.booleans(),
)


@given(
    st.lists(candidates, min_size=1, max_size=5, unique_by=(lambda one: one.name, lambda one: one.workload)),
    st.lists(st.tuples(names, st.text(max_size=40)), max_size=3),
)
def test_every_draft_is_a_valid_chain_file_that_says_what_it_was_told(
    found: list[Candidate], others: list[tuple[str, str]]
) -> None:
    text = draft.text("shop", NAMESPACE, Sorted(tuple(found), tuple(others)))
    chain = grammar.parse(text, "laneway.yaml")
    assert {(one.name, str(one.workload), one.container) for one in chain.services} == {
        (one.name, one.workload, one.container) for one in found
    }
    assert chain.entry.service in {one.name for one in found}
