"""What Envoy is told where a chain is entered, and that nothing else of it differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.chain.model import Entry, Trust
from provisioner.routing import links
from provisioner.routing.attached import build
from provisioner.routing.envoy import LISTENER, Compiler, Node, Resource, Resources
from provisioner.routing.envoy.entrance import aliases
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.intent import ChainIntent
from tests.support.routing import DOMAIN, chain, twin

NODE = Node("shop", "shop", "192.0.2.1")
KEYS = (b"a key that nobody else has got...",)
ENTRY, INNER = "frontend:8080", "orders:8080"
PLAIN = Entry("frontend", f"{{lane}}.{DOMAIN}")
CHECKED = replace(PLAIN, cookie="c", link="preview", trust=Trust.SIGNED, networks=("10.0.0.0/8",))


def intent(entry: Entry) -> ChainIntent:
    wanted = replace(chain(("frontend", "orders")), entry=entry)
    twins = [twin("frontend"), twin("orders", FIRST_LISTENER + 1)]
    return build([wanted], twins, [], []).chains[0]


def compiled(entry: Entry, keys: links.Keys = KEYS) -> Resources:
    compiler, found = Compiler(), intent(entry)
    return {**compiler.shared(found, "shop"), **compiler.own(found, NODE, keys)}


def filters(listener: Resource) -> list[str]:
    (chained,) = listener.to_json()["filter_chains"]
    manager = chained["filters"][0]["typed_config"]
    return [one["name"].removeprefix("envoy.filters.http.") for one in manager["http_filters"]]


def test_an_entry_that_trusts_headers_is_told_what_any_other_service_is() -> None:
    found = compiled(PLAIN)[LISTENER]
    assert filters(found[ENTRY]) == filters(found[INNER]) == ["lua", "router"]
    assert b"laneway link" not in found[ENTRY].body


def test_only_the_entrys_own_listener_knows_how_the_chain_is_entered() -> None:
    plain, checked = compiled(PLAIN), compiled(CHECKED)
    differing = {
        name
        for kind, resources in checked.items()
        for name, one in resources.items()
        if one != plain[kind].get(name)
    }
    assert differing == {ENTRY}


def test_signatures_are_checked_before_the_lane_is_found() -> None:
    assert filters(compiled(CHECKED)[LISTENER][ENTRY]) == ["jwt_authn", "lua", "router"]


@pytest.mark.parametrize(
    ("entry", "keys"),
    [(CHECKED, ()), (replace(CHECKED, link="", trust=Trust.NONE), KEYS)],
    ids=["without a key", "without links"],
)
def test_no_signature_is_checked_where_none_can_be(entry: Entry, keys: links.Keys) -> None:
    listener = compiled(entry, keys)[LISTENER][ENTRY]
    assert filters(listener) == ["lua", "router"]


def test_the_key_is_in_the_entrys_listener_and_nowhere_else() -> None:
    key = links.key_set(KEYS).split('"k":"')[1].split('"')[0].encode()
    holding = {
        name for resources in compiled(CHECKED).values() for name, one in resources.items() if key in one.body
    }
    assert holding == {ENTRY}


def test_a_new_key_changes_the_entrys_listener_alone() -> None:
    compiler, found = Compiler(), intent(CHECKED)
    before, after = (compiler.own(found, NODE, keys)[LISTENER] for keys in (KEYS, (b"another", *KEYS)))
    assert {name for name in after if after[name] is not before[name]} == {ENTRY}


@pytest.mark.parametrize(
    ("header", "others"),
    [
        ("lane", []),
        ("X-Lane", ["x_lane"]),
        ("x-preview-lane", ["x-preview_lane", "x_preview-lane", "x_preview_lane"]),
        ("a-b-c-d-e-f", ["a_b_c_d_e_f"]),
        ("X_Lane", ["x-lane"]),
        ("x_preview-lane", ["x-preview-lane", "x-preview_lane", "x_preview_lane"]),
        ("a_b_c_d_e_f", ["a-b-c-d-e-f"]),
    ],
)
def test_other_spellings_of_a_header_have_underscores_for_hyphens_and_hyphens_for_underscores(
    header: str, others: list[str]
) -> None:
    assert aliases(header) == others
