"""What lanes need where requests come in by a Gateway: beside which of the user's routes, and how. Pure.

Where headers from outside count, they lead to the lane's copies. Where they do not (`entry.trust`), each lane
has its header taken away there: such a request is as one without a lane. A preview host gets a route of its
own for each lane, with all the rules of the routes that the host's requests would follow otherwise, since a
Gateway looks at the more specific hostname alone; it sets the header for the hops behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from provisioner.routing.entry import Carrier, counted
from provisioner.routing.gateway_api import scopes
from provisioner.routing.gateway_api.scopes import Scope
from provisioner.routing.gateway_api.variants import How
from provisioner.routing.intent import ChainIntent
from provisioner.routing.mesh import Existing, Finding


def found(existing: Existing, known: scopes.Known) -> tuple[Scope, ...]:
    """Where requests come in."""
    return tuple(scopes.at_gateways(existing.of("HTTPRoute"), known))


def by_header(scope: Scope, intent: ChainIntent) -> How:
    """What becomes of requests that name their lane by the header."""
    trusted = Carrier.HEADER in counted(intent.entry) or not scope.is_entry(intent.entry.service)
    return How.HEADER if trusted else How.REFUSED


def of_hosts(lane: str, all_scopes: Sequence[Scope], intent: ChainIntent) -> Iterator[Scope]:
    """The scopes of a lane's preview host."""
    host = f"{lane}.{intent.entry.domain}"
    if not intent.entry.domain or Carrier.HOST not in counted(intent.entry):
        return
    taken = [one for one in all_scopes if any(_takes(name, host) for name in one.hostnames or ("*",))]
    if any(one.is_entry(intent.entry.service) for one in taken):
        for one in taken:
            service = one.service or intent.entry.service
            yield replace(one, service=service, suffix="host", hostnames=(host,))


def findings(all_scopes: Iterable[Scope], intent: ChainIntent) -> Iterator[Finding]:
    """What of the chain's entry cannot be had."""
    entry, there = intent.entry, list(all_scopes)
    if entry.networks or entry.untrusted.value == "forbidden":
        what = "`networks` and `untrusted: forbidden` have no effect: HTTPRoutes cannot express them"
        yield Finding(entry.service, "EntryNotExpressed", what)
    if Carrier.HEADER not in counted(entry):
        what = (
            "a lane's header is taken away at Gateways, and lanes cannot be entered from outside: HTTPRoutes "
            "verify no signature; baggage from outside is not taken away"
        )
        yield Finding(entry.service, "EntryNotTrusted", what)
    if entry.domain and Carrier.HOST in counted(entry) and not any(of_hosts("any", there, intent)):
        what = (
            f"no HTTPRoute in the chain's namespaces leads *.{entry.domain} from a Gateway to it: preview "
            "hosts lead to no lane"
        )
        yield Finding(entry.service, "NoPreviewHosts", what)


def _takes(hostname: str, host: str) -> bool:
    """Whether a route with that hostname takes requests for the host."""
    return hostname in ("*", host) or (hostname.startswith("*.") and host.endswith(hostname[1:]))
