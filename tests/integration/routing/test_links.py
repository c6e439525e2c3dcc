"""Signed links through a real Envoy: what they open, for how long, and what is said of wrong ones."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived

from provisioner.chain.model import Entry, Trust
from provisioner.routing import links
from provisioner.routing.envoy.node import FIRST_LISTENER
from provisioner.routing.router import snapshot
from tests.support.doors import KEY, Door, Doors, token
from tests.support.routing import DOMAIN, wait_until

COOKIE, TICKET = "preview-lane", "laneway-preview"
OPEN = Entry("payment", f"{{lane}}.{DOMAIN}", cookie=COOKIE, link="preview")
SIGNED = replace(OPEN, cookie="", trust=Trust.SIGNED)
NEW = b"a new key" * 4


def test_a_link_sets_a_cookie_and_leads_to_the_same_place_without_the_token(doors: Doors) -> None:
    made = token(seconds=3600)
    answer = doors(SIGNED).ask(path=f"/cart?x=1&preview={made}&y=2")
    assert (answer.status, answer.headers["location"]) == (302, "/cart?x=1&y=2")
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value == f"{TICKET}={made}"
    age = int(attributes.pop(1).removeprefix("Max-Age="))
    assert 3590 <= age <= 3600
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_cookie_of_an_entry_with_tls_is_never_sent_without(doors: Doors) -> None:
    entry = replace(OPEN, url=f"https://{{lane}}.{DOMAIN}")
    assert "; Secure" in doors(entry).ask(path=f"/?preview={token()}").headers["set-cookie"]


def test_the_cookie_opens_the_lane_and_stays_with_the_router(doors: Doors) -> None:
    made = token()
    for sent in (f"a=1; {TICKET}={made}; b=2", f"{TICKET}={made}; a=1; b=2", f"a=1; b=2;{TICKET}={made}"):
        answer = doors(SIGNED).ask([("cookie", sent)])
        assert answer.served == "payment=pr-4"
        assert dict(answer.seen)["cookie"] == "a=1; b=2"
    alone = doors(SIGNED).ask([("cookie", f"{TICKET}={made}")])
    assert "cookie" not in dict(alone.seen)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/?preview={}", "/"),
        ("/a/b?preview={}", "/a/b"),
        ("/?preview={}&preview={}", "/"),
        ("/?a=%2F&preview={}&b", "/?a=%2F&b"),
        ("/?x-preview=1&preview={}", "/?x-preview=1"),
        ("//evil.example.org/?preview={}", "/.//evil.example.org/"),
        ("/\\evil.example.org/?preview={}", "/./\\evil.example.org/"),
    ],
)
def test_a_link_never_leads_anywhere_else(doors: Doors, path: str, target: str) -> None:
    answer = doors(SIGNED).ask(path=path.replace("{}", token()))
    assert (answer.status, answer.headers["location"]) == (302, target)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_request_that_is_no_visit_goes_on_without_the_token(doors: Doors, method: str) -> None:
    answer = doors(SIGNED).ask([("content-length", "0")], f"/cart?x=1&preview={token()}", method)
    assert answer.served == "payment=pr-4"
    assert answer.path == "/cart?x=1"


def unsigned(algorithm: str, signature: str = "") -> str:
    head = links._encoded(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    return f"{head}.{token().split('.')[1]}.{signature}"


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "expired": lambda: token(seconds=-5),
    "another chain's": lambda: token(of="town"),
    "signed with another key": lambda: token(key=b"another key" * 4),
    "tampered signature": lambda: token()[:-4] + "AAAA",
    "tampered lane": lambda: ".".join(
        [token().split(".")[0], token("pr-5").split(".")[1], token().split(".")[2]]
    ),
    "no algorithm": lambda: unsigned("none"),
    "no algorithm, but a signature": lambda: unsigned("none", token().split(".")[2]),
    "another algorithm": lambda: unsigned("HS512", token().split(".")[2]),
    "a lane that cannot be": lambda: token("baseline"),
    "rubbish": lambda: "a.b.c",
}


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_link_that_is_not_right_is_refused_and_says_what_to_do(doors: Doors, bad: str) -> None:
    answer = doors(SIGNED).ask(path=f"/?preview={BAD_TOKENS[bad]()}")
    wrong = "has expired" if bad == "expired" else "is not valid here"
    assert answer.status == 403
    assert answer.body.decode() == (
        f"This link to a preview {wrong}. Ask for a new one: laneway link shop LANE\n"
    )


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_cookie_that_is_not_right_opens_nothing(doors: Doors, bad: str) -> None:
    answer = doors(SIGNED).ask([("cookie", f"{TICKET}={BAD_TOKENS[bad]()}")])
    assert (answer.status, answer.lane, answer.served) == (200, "", None)


def test_of_two_cookies_the_first_one_counts(doors: Doors) -> None:
    mine, other = token("pr-4"), token("pr-5")
    answer = doors(SIGNED).ask([("cookie", f"{TICKET}={mine}; {TICKET}={other}")])
    assert (answer.lane, "cookie" in dict(answer.seen)) == ("pr-4", False)
    answer = doors(OPEN).ask([("cookie", f"{COOKIE}=pr-4; {COOKIE}=pr-5")])
    assert answer.lane == "pr-4"


def test_a_link_to_a_lane_that_is_gone_gets_the_baseline_which_says_so(doors: Doors) -> None:
    answer = doors(SIGNED).ask([("cookie", f"{TICKET}={token('pr-77')}")])
    assert (answer.status, answer.served) == (200, "payment=baseline")


def test_a_fresh_link_takes_the_place_of_a_cookie_that_has_expired(doors: Doors) -> None:
    answer = doors(SIGNED).ask([("cookie", f"{TICKET}={token(seconds=-5)}")], f"/?preview={token()}")
    assert answer.status == 302


def test_a_visitor_can_leave(doors: Doors) -> None:
    answer = doors(SIGNED).ask([("cookie", f"{TICKET}={token()}")], "/cart?preview=off")
    assert (answer.status, answer.headers["location"]) == (302, "/cart")
    assert answer.headers["set-cookie"].startswith(f"{TICKET}=; Path=/; Max-Age=0;")


@pytest.mark.parametrize("value", ["true", "off", "", "a.b", "1.2.3.4"])
def test_the_applications_own_parameter_of_that_name_is_left_to_it(doors: Doors, value: str) -> None:
    answer = doors(SIGNED).ask(path=f"/?preview={value}")
    assert (answer.status, answer.path) == (200, f"/?preview={value}")


def test_cookies_that_http2_sends_one_by_one_are_read(doors: Doors) -> None:
    address = doors(SIGNED).world.envoy.address
    crumbs = [("cookie", "a=1"), ("cookie", f"{TICKET}={token()}"), ("cookie", "b=2")]
    assert over_http2(address, "/?preview=off", crumbs) == "302"


def test_cookies_that_a_proxy_leaves_on_several_lines_are_read_and_none_is_lost(doors: Doors) -> None:
    made = f"{TICKET}={token()}"
    for lines in (("a=1", made, "b=2"), (made, "a=1; b=2"), ("a=1", f"b=2; {made}"), (f"a=1; {made}", "b=2")):
        answer = doors(SIGNED).ask([("cookie", line) for line in lines])
        assert answer.served == "payment=pr-4"
        assert [value for key, value in answer.seen if key == "cookie"] == ["a=1; b=2"]
    answer = doors(OPEN).ask([("cookie", "a=1"), ("cookie", f"{COOKIE}=pr-4")])
    assert answer.lane == "pr-4"


def over_http2(address: str, path: str, headers: list[tuple[str, str]]) -> str:
    """The status of one request on an HTTP/2 connection."""
    with socket.create_connection((address, FIRST_LISTENER), 60) as wire:
        talk = H2Connection(H2Configuration(header_encoding="utf-8"))
        talk.initiate_connection()
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "payment"), (":path", path)]
        talk.send_headers(1, [*head, *headers], end_stream=True)
        wire.sendall(talk.data_to_send())
        while data := wire.recv(65536):
            for event in talk.receive_data(data):
                if isinstance(event, ResponseReceived):
                    return str(dict(event.headers or ())[":status"])
    raise AssertionError("the connection ended without an answer")


def test_while_one_key_replaces_another_both_count(doors: Doors) -> None:
    door = doors(replace(SIGNED, link="token"))
    door.world.router.files.link_keys = (NEW, KEY)
    wait_until(lambda: status_of(door, NEW) == 302, what="the new key")
    assert status_of(door, KEY) == 302
    door.world.router.files.link_keys = (NEW,)
    wait_until(lambda: status_of(door, KEY) == 403, what="the end of the old key")
    assert status_of(door, NEW) == 302


def status_of(door: Door, key: bytes) -> int:
    return door.ask(path=f"/?token={token(key=key)}").status


def test_without_a_key_no_link_counts_and_visitors_are_told_to_come_back(doors: Doors) -> None:
    door = doors(replace(SIGNED, link="pass"))
    door.world.router.files.link_keys = ()
    wait_until(lambda: door.ask(path=f"/?pass={token()}").status == 503, what="the end of the key")
    answer = door.ask(path=f"/?pass={token()}")
    assert answer.headers["retry-after"] == "5"
    assert "cannot be checked" in answer.body.decode()


def test_the_key_is_in_nothing_that_the_router_keeps(doors: Doors) -> None:
    intent = doors(SIGNED).world.router.state.view.intent("shop")
    kept: Any = snapshot.unpacked(snapshot.packed(snapshot.kept(intent, "shop")))
    assert kept.entry == SIGNED
    (derived,) = links.of_chain([KEY], "shop")
    for secret in (KEY, derived):
        assert links._encoded(secret) not in repr(kept)
        assert secret.hex() not in repr(kept)
