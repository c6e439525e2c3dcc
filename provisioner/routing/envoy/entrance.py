"""What an Envoy does more where a chain is entered: it checks who may name a lane, and takes links.

Envoy's own filter for tokens (jwt_authn) checks signatures, where the chain has links, and lets every request
pass; the lanes' filter reads what it found and decides, as `provisioner.routing.entry` says. Addresses it
compares by itself, and only for requests that name a lane: Envoy's own filter for that would have to look at
each, which costs those without a lane up to a tenth of a request. Neither depends on any lane.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from itertools import product
from typing import Any

from provisioner.chain.model import Carriers, Entry, Trust, Untrusted
from provisioner.routing import links
from provisioner.routing.envoy.resources import extension
from provisioner.routing.envoy.routes import everything
from provisioner.routing.intent import ChainIntent, Service

Json = dict[str, Any]

# where entry.lua finds what was found
LINKED, TICKETED = "link", "ticket"

_JWT = "envoy.filters.http.jwt_authn"
_JWT_MESSAGES = "envoy.extensions.filters.http.jwt_authn.v3"
_MOST_JOINTS = 4  # hyphens and underscores of a header whose every other spelling is looked for


@dataclass(frozen=True)
class Entrance:
    """How a chain is entered. Without `keys` no signature can be checked, and none counts."""

    chain: str
    entry: Entry
    keys: links.Keys = ()


def at(intent: ChainIntent, service: Service, keys: links.Keys) -> Entrance | None:
    """None where header, baggage and host say it all: at inner services, and where everything is trusted."""
    entry = intent.entry
    asked = entry.cookie or entry.link or entry.trust is not Trust.HEADER
    if not asked or service.name != entry.service:
        return None
    return Entrance(intent.name, entry, keys if entry.link else ())


def checks(entrance: Entrance) -> list[Json]:
    """The filters that come before the lanes' own."""
    return [_signatures(entrance)] if entrance.keys else []


def constants(entrance: Entrance, service: str, carriers: Carriers) -> dict[str, Any]:
    """The settings of entry.lua."""
    entry = entrance.entry
    return {
        "SERVICE": service,
        "CHAIN": entrance.chain,
        "COOKIE": entry.cookie,
        "LINK": entry.link,
        "TICKET": entry.ticket,
        "SECURE": "; Secure" if entry.secure else "",
        "TRUST": entry.trust.value,
        "FORBIDDEN": entry.untrusted is Untrusted.FORBIDDEN,
        "NETWORKS": [_range(one) for one in entry.networks],
        "HOPS": entry.hops,
        "KEYS": bool(entrance.keys),
        "ALIASES": aliases(carriers.header),
    }


def aliases(header: str) -> list[str]:
    """Other names that applications take for a header's: to some, hyphen and underscore are one."""
    own = header.lower()
    parts = re.split("[-_]", own)
    joints = len(parts) - 1
    ways = product("-_", repeat=joints) if joints <= _MOST_JOINTS else ("-" * joints, "_" * joints)
    found = ("".join(map("".join, zip(parts, (*way, ""), strict=True))) for way in ways)
    return [one for one in found if one != own]


def _signatures(entrance: Entrance) -> Json:
    """Looks at requests that have a token alone; no failure of it fails a request."""
    name = entrance.entry.ticket
    either = {"requires_any": {"requirements": [_is(LINKED), _is(TICKETED), {"allow_missing_or_failed": {}}]}}
    cookie = {"requires_any": {"requirements": [_is(TICKETED), {"allow_missing_or_failed": {}}]}}
    asked = {**everything(), "query_parameters": [{"name": entrance.entry.link, "present_match": True}]}
    kept = {**everything(), "headers": [{"name": "cookie", "string_match": {"contains": f"{name}="}}]}
    fields = {
        "providers": {
            LINKED: {**_provider(entrance, LINKED), "from_params": [entrance.entry.link]},
            TICKETED: {**_provider(entrance, TICKETED), "from_cookies": [name]},
        },
        "rules": [{"match": asked, "requires": either}, {"match": kept, "requires": cookie}],
    }
    return extension(_JWT, f"{_JWT_MESSAGES}.JwtAuthentication", fields)


def _is(provider: str) -> Json:
    return {"provider_name": provider}


def _provider(entrance: Entrance, name: str) -> Json:
    return {
        "issuer": links.ISSUER,
        "audiences": [entrance.chain],
        "require_expiration": True,
        "clock_skew_seconds": 1,  # 0 would be Envoy's default, a minute
        "local_jwks": {"inline_string": links.key_set(entrance.keys)},
        "forward": True,  # the token is taken out by the lanes' filter, which knows the rest of the request
        "payload_in_metadata": name,
        "failed_status_in_metadata": f"{name}_failed",
    }


def _range(network: str) -> list[Any]:
    """The bytes of a network, and how many bits of them count."""
    found = ipaddress.ip_network(network)
    return [list(found.network_address.packed), found.prefixlen]
