"""Whom a release takes, through a real Envoy: who names no lane, and who is invited; how users are known."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Entry, Trust, Untrusted
from provisioner.chain.strategy import Audience, Sticky, Strategy
from provisioner.release.model import Phase
from provisioner.routing import share
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.doors import KEY, token
from tests.support.http2 import Application, Client
from tests.support.many import Reply, ask
from tests.support.releasing import BY_COOKIE, ENTRY, NAME, OWN, Releasing, Releasings
from tests.support.routing import DOMAIN, chain, endpoint_slice, lane, release, wait_until
from tests.support.wire import Wire, client

INVITED = Audience("x-group", "staff", "beta", "yes")
BY_INVITATION = Strategy(audience=INVITED)
BY_LOT = Strategy(sticky=Sticky(cookie=""))
PLAIN = Entry("payment", f"{{lane}}.{DOMAIN}")
SIGNED = Entry("payment", link="preview", trust=Trust.SIGNED)
REFUSING = replace(SIGNED, untrusted=Untrusted.FORBIDDEN)
NONE = Entry("payment", trust=Trust.NONE)
ATTRIBUTES = "Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"


def one(releasing: Releasing, headers: Mapping[str, str] | None = None, path: str = "/") -> Reply:
    (found,) = ask(releasing.envoy.address, [headers or {}], path=path)
    return found


def served(answer: Reply) -> str | None:
    return answer.headers.get("x-preview-lane-served")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x-preview-lane": "pr-4"}, ("pr-4", "payment=pr-4")),
        ({"baggage": "preview-lane=pr-4"}, ("pr-4", "payment=pr-4")),
        ({"x-preview-lane": "pr-7"}, ("baseline", "payment=baseline")),
        ({"x-preview-lane": NAME}, (NAME, f"payment={NAME}")),
        ({"x-preview-lane": "pr-4", "cookie": "beta=yes", "x-group": "staff"}, ("pr-4", "payment=pr-4")),
    ],
)
@pytest.mark.parametrize("weight", [0, 100])
def test_who_names_a_lane_is_no_part_of_it(
    worlds: Releasings, weight: int, sent: dict[str, str], expected: tuple[str, str]
) -> None:
    releasing = worlds(ENTRY, BY_INVITATION)
    releasing.step(weight)
    answer = one(releasing, sent)
    assert (answer.name, served(answer)) == expected
    assert "set-cookie" not in answer.headers


def test_a_preview_host_leads_to_its_lane_while_everybody_else_is_in_the_release(worlds: Releasings) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(100)
    world = releasing.world
    assert world.ask({"host": f"pr-4.{DOMAIN}"}) == (200, "pr-4", "payment=pr-4")
    assert world.ask({"host": "shop.example.com"}) == (200, NAME, None)


@pytest.mark.parametrize("name", ["baseline", "none", "No_Lane", "-"])
def test_what_no_lane_is_called_names_none(worlds: Releasings, name: str) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(100)
    assert releasing.world.ask({"x-preview-lane": name}) == (200, NAME, None)


def test_later_hops_hear_of_it_as_of_any_lane(worlds: Releasings) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(100)
    for sent, baggage in (({}, f"preview-lane={NAME}"), ({"baggage": "a=1"}, f"a=1,preview-lane={NAME}")):
        headers = {key.lower(): value for key, value in releasing.world.seen(sent)["headers"]}
        assert (headers["x-preview-lane"], headers["baggage"]) == (NAME, baggage)
        assert not [key for key in headers if key.startswith("x-laneway")]


def test_who_is_not_in_it_reaches_the_application_as_ever(worlds: Releasings) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(0)
    got = releasing.world.seen([("host", "payment"), ("cookie", "a=1"), ("baggage", "a=1")])["headers"]
    assert got == [
        ["host", "payment"],
        ["cookie", "a=1"],
        ["baggage", "a=1"],
        ["x-forwarded-proto", "http"],
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"x-group": "staff"}, NAME),
        ({"X-Group": "staff"}, NAME),
        ({"x-group": "Staff"}, "baseline"),
        ({"x-group": "staff,others"}, "baseline"),
        ({"x-group": ""}, "baseline"),
        ({"cookie": "beta=yes"}, NAME),
        ({"cookie": "a=b; beta=no; beta=yes"}, NAME),
        ({"cookie": "alphabeta=yes"}, "baseline"),
        ({"cookie": "beta=yes!"}, "baseline"),
        ({}, "baseline"),
    ],
)
def test_who_is_invited_is_in_it_whatever_its_weight(
    worlds: Releasings, sent: dict[str, str], expected: str
) -> None:
    releasing = worlds(ENTRY, BY_INVITATION)
    releasing.step(0)
    assert one(releasing, sent).name == expected


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RETURNING, Phase.ROLLING_BACK, Phase.SUCCEEDED])
def test_nobody_is_invited_before_it_begins_nor_when_it_goes_back(worlds: Releasings, phase: Phase) -> None:
    releasing = worlds(ENTRY, BY_INVITATION)
    releasing.step(100)
    releasing.put(0, phase)
    wait_until(lambda: releasing.taken() is None, what="the end of the share")
    answer = one(releasing, {"x-group": "staff"})
    assert (answer.name, "set-cookie" in answer.headers) == ("baseline", False)


@pytest.mark.parametrize("weight", [0, 100])
def test_a_new_user_gets_a_bucket_for_a_year_with_the_first_answer(worlds: Releasings, weight: int) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(weight)
    value, _, attributes = one(releasing).headers["set-cookie"].partition("; ")
    name, _, bucket = value.partition("=")
    assert (name, attributes) == ("laneway-bucket", f"{ATTRIBUTES}; Secure")
    assert share.bucket_in(bucket) is not None


def test_without_tls_the_cookie_is_sent_without(worlds: Releasings) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(50)
    assert one(releasing).headers["set-cookie"].endswith(f"; {ATTRIBUTES}")


@pytest.mark.parametrize("kept", ["0", "9999", "17"])
def test_who_has_a_bucket_keeps_it(worlds: Releasings, kept: str) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(50)
    for sent in (f"laneway-bucket={kept}", f"a=b;laneway-bucket={kept} ; c=d"):
        assert "set-cookie" not in one(releasing, {"cookie": sent}).headers


@pytest.mark.parametrize("kept", ["10000", "-1", "007", "", "1e3", "x", "5; laneway-bucket=7"])
def test_who_has_what_no_bucket_is_gets_one(worlds: Releasings, kept: str) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(50)
    has_one = kept.startswith("5")
    assert ("set-cookie" in one(releasing, {"cookie": f"laneway-bucket={kept}"}).headers) is not has_one


def test_cookies_on_several_lines_are_read_as_one(worlds: Releasings) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(50)
    sent = [("cookie", "a=b"), ("cookie", f"laneway-bucket={share.start(NAME)}")]
    for _ in range(8):
        assert releasing.world.ask(sent)[1] == NAME


def test_the_applications_own_cookies_stay_beside_it(worlds: Releasings) -> None:
    releasing = worlds(ENTRY, BY_COOKIE)
    releasing.step(0)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: own=1; Path=/\r\n\r\n"

    async def talk(reader, writer):  # type: ignore[no-untyped-def]
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer)

    wire = Wire(releasing.world.thread, talk)
    before = releasing.world.baseline.address
    releasing.world.store.put(endpoint_slice("payment", [wire.address]))
    try:
        wait_until(lambda: "own=1; Path=/" in _cookies(releasing), what="the application's cookie")
        first, second = _cookies(releasing)
        assert first == "own=1; Path=/"
        assert second.startswith("laneway-bucket=")
    finally:
        releasing.world.store.put(endpoint_slice("payment", [before]))
        wire.close()


def _cookies(releasing: Releasing) -> list[str]:
    connection = http.client.HTTPConnection(releasing.envoy.address, FIRST_LISTENER, timeout=10)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get_all("set-cookie") or []
    finally:
        connection.close()


@pytest.mark.parametrize("entry", [SIGNED, NONE], ids=["signed", "none"])
def test_a_lane_that_does_not_count_names_none(worlds: Releasings, entry: Entry) -> None:
    """Every trace of it is taken away first, and the release's own put there."""
    releasing = worlds(entry, BY_LOT)
    releasing.step(100)
    sent = {"x-preview-lane": "pr-4", "x_preview_lane": "pr-4", "baggage": "a=1,preview-lane=pr-4"}
    assert releasing.world.ask(sent) == (200, NAME, None)
    headers = {key.lower(): value for key, value in releasing.world.seen(sent)["headers"]}
    assert headers["x-preview-lane"] == NAME
    assert headers["baggage"] == f"a=1,preview-lane={NAME}"
    assert "x_preview_lane" not in headers
    releasing.step(0)
    assert releasing.world.ask(sent) == (200, "baseline", None)


def test_whom_the_entry_refuses_it_refuses_during_a_release_too(worlds: Releasings) -> None:
    releasing = worlds(REFUSING, BY_COOKIE)
    releasing.step(100)
    answer = one(releasing, {"x-preview-lane": "pr-4"})
    assert (answer.status, "set-cookie" in answer.headers) == (403, False)
    assert one(releasing).name == NAME


def test_a_signed_link_leads_into_its_lane_during_a_release_too(worlds: Releasings) -> None:
    releasing = worlds(SIGNED, BY_COOKIE)
    releasing.world.router.files.link_keys = (KEY,)
    releasing.step(100)
    followed = f"/?preview={token()}"
    wait_until(lambda: one(releasing, path=followed).status == 302, 20, "the key at Envoy")
    assert not one(releasing, path=followed).headers["set-cookie"].startswith("laneway-bucket")
    assert one(releasing, {"cookie": f"laneway-preview={token()}"}).name == "pr-4"
    assert one(releasing).name == NAME


def test_what_clients_send_in_the_names_of_ours_decides_nothing(worlds: Releasings) -> None:
    releasing = worlds(PLAIN, BY_COOKIE)
    releasing.step(0)
    assert one(releasing, {"x-laneway-cluster": "payment:8080/lanes/0"}).name == "baseline"


# what parsers stumble over, between what they look for
shreds = st.sampled_from([*'=;, "%[]^$', "laneway-bucket", "beta", "yes", "staff", "99999", "-1", "17"])
strange = st.lists(shreds, max_size=8).map("".join)


@settings(max_examples=150)
@given(cookie=strange, group=strange, user=strange, baggage=strange)
def test_nothing_that_is_sent_makes_the_filter_stumble(
    worlds: Releasings, cookie: str, group: str, user: str, baggage: str
) -> None:
    releasing = worlds(ENTRY, replace(BY_INVITATION, sticky=Sticky(header="x-user")))
    if releasing.taken() != 5000:
        releasing.step(50)
    answer = one(releasing, {"cookie": cookie, "x-group": group, "x-user": user, "baggage": baggage})
    assert answer.name in (NAME, "baseline")
    assert "script log" not in releasing.envoy.log()


def test_http_2_and_grpc_are_taken_alike(world) -> None:  # type: ignore[no-untyped-def]
    applications = {name: Application(name) for name in ("baseline", NAME)}
    wires = {name: Wire(world.thread, one.talk) for name, one in applications.items()}
    world.store.put(
        lane(NAME, OWN, mode="members", release=NAME),
        *(
            endpoint_slice("payment", [wire.address], "" if name == "baseline" else name)
            for name, wire in wires.items()
        ),
        release(NAME, 100),
    )
    world.start(replace(chain(), entry=ENTRY))
    try:
        with client(world.envoy.address) as connection:
            found = Client(connection).ask("/Pay", [("content-type", "application/grpc")], b"hello")
        assert (found["name"], found.body) == (NAME, b"hello")
        assert "x-preview-lane-served" not in dict(found.head)
        assert dict(applications[NAME].asked[0].head)["x-preview-lane"] == NAME
    finally:
        for wire in wires.values():
            wire.close()
