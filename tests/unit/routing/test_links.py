"""Signed links: what their tokens hold, and what is said of keys that are none."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.chain.model import Entry
from provisioner.errors import ConfigError
from provisioner.routing import links

KEY = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2
LATER = datetime.now(UTC) + timedelta(days=7)


@given(lane=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True))
def test_any_reader_of_such_tokens_understands_one(lane: str) -> None:
    (key,) = links.of_chain([KEY.encode()], "shop")
    token = links.sign(key, "shop", lane, LATER)
    claims = jwt.decode(token, key, algorithms=["HS256"], audience="shop", issuer=links.ISSUER)
    assert claims["lane"] == lane
    assert claims["exp"] == int(LATER.timestamp())


def test_a_token_needs_no_encoding_in_a_url_or_a_cookie() -> None:
    token = links.sign(b"k" * 32, "shop", "pr-4", LATER)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_each_chain_has_keys_of_its_own() -> None:
    shop, town = (links.of_chain([KEY.encode()], chain) for chain in ("shop", "town"))
    assert shop != town
    token = links.sign(shop[0], "shop", "pr-4", LATER)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, town[0], algorithms=["HS256"], audience="shop")


def test_a_key_set_holds_every_key_for_one_algorithm() -> None:
    found = json.loads(links.key_set([b"one", b"two"]))["keys"]
    assert [(one["kty"], one["alg"]) for one in found] == [("oct", "HS256")] * 2
    assert [base64.urlsafe_b64decode(one["k"] + "==") for one in found] == [b"one", b"two"]


def test_a_key_file_holds_one_key_or_two() -> None:
    assert links.read_keys(f"{KEY}\n", "file") == (KEY.encode(),)
    assert links.read_keys(f"\n {KEY} \r\n\n{OTHER}", "file") == (KEY.encode(), OTHER.encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "file: holds 0 keys; write one a line"),
        ("\n \n", "file: holds 0 keys"),
        (f"{KEY}\n{OTHER}\n{KEY}", "file: holds 3 keys"),
        ("secret", "file: key 1 can be guessed: write at least 32 characters"),
        (f"{KEY}\nshort", "file: key 2 can be guessed"),
        ("a" * 64, "file: key 1 can be guessed"),
    ],
)
def test_a_key_that_is_none_is_refused_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        links.read_keys(text, "file")
    assert str(caught.value).startswith(said)
    assert "openssl rand -hex 32" in str(caught.value) or "one, or two" in str(caught.value)


@pytest.mark.parametrize("text", ["secret", f"{KEY}\nshort"])
def test_what_is_said_of_a_key_does_not_hold_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        links.read_keys(text, "file")
    assert not any(line in str(caught.value) for line in text.splitlines())


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        (Entry(host="{lane}.example.com", link="preview"), "http://pr-4.example.com/?preview=T"),
        (Entry(url="https://{lane}.example.com:8443", link="p"), "https://pr-4.example.com:8443/?p=T"),
        (Entry(url="https://example.com/shop", link="p"), "https://example.com/shop?p=T"),
        (Entry(url="https://example.com/?a=1", link="p"), "https://example.com/?a=1&p=T"),
    ],
)
def test_a_link_leads_to_where_people_open_the_lane(entry: Entry, url: str) -> None:
    assert links.url(entry, "pr-4", "T") == url


def test_a_chain_without_an_address_has_no_links() -> None:
    with pytest.raises(ConfigError, match=r"give it `entry\.url`"):
        links.url(Entry(link="preview"), "pr-4", "T")
