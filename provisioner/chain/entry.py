"""Reads the `entry` section of a chain file: where the chain is entered, and who may name a lane there. Pure.

What each key means is decided in `provisioner.routing.entry`; a key that could have no effect beside the
others is an error, because somebody relies on it.
"""

from __future__ import annotations

from collections.abc import Callable

from provisioner.chain import syntax
from provisioner.chain.document import Fields
from provisioner.chain.model import Entry, Trust, Untrusted

KEYS = ("service", "host", "url", "cookie", "link", "trust", "untrusted", "networks", "hops")
MOST_HOPS = 10


def read(fields: Fields, is_service: Callable[[str], str]) -> Entry:
    """The entry; `is_service` says what is wrong with a service's name."""
    link = fields.text("link", syntax.parameter)
    cookie = fields.text("cookie", syntax.cookie)
    found = Entry(
        service=fields.text("service", is_service),
        host=fields.text("host", syntax.entry_host),
        url=fields.text("url", syntax.shared_url if link or cookie else syntax.entry_url),
        cookie=cookie,
        link=link,
        trust=fields.choice("trust", Trust, Trust.HEADER),
        untrusted=fields.choice("untrusted", Untrusted, Untrusted.BASELINE),
        networks=tuple(item.text(syntax.network) for item in fields.items("networks")),
        hops=fields.integer("hops", 0, least=0, most=MOST_HOPS),
    )
    if any(fields.get(key) for key in KEYS):
        fields.required("service")
    _without_effect(fields, found)
    return found


def _without_effect(fields: Fields, found: Entry) -> None:
    """Notes each key that says nothing beside the others."""
    if found.trust is Trust.SIGNED and not found.link:
        _fail(fields, "trust", "is signed, but nothing is: name the parameter of signed links in `link`")
    if found.trust is Trust.HEADER:
        for key in ("untrusted", "networks"):
            _fail(fields, key, "has no effect while everything is trusted: set trust: signed or none")
    elif found.cookie and not found.networks:
        _fail(fields, "cookie", f"is unsigned: with trust: {found.trust} it counts from `networks` alone")
    if found.trust is Trust.NONE and found.link and not found.networks:
        _fail(fields, "link", "counts with trust: none from `networks` alone; set trust: signed")
    if found.cookie and found.cookie == found.ticket:
        _fail(fields, "cookie", "is the one that signed links set; take another name")
    if found.hops and not found.networks:
        _fail(fields, "hops", "has no effect without `networks`")


def _fail(fields: Fields, key: str, message: str) -> None:
    if value := fields.get(key):
        value.fail(message)
