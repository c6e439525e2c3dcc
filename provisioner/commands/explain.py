"""`laneway explain`: where one request goes, and which rule of which object sends it there."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.commands.lanes import AsJson, ChainName

if TYPE_CHECKING:
    from provisioner.chain.model import Chain
    from provisioner.routing.explain import Explanation, Request

LaneName = Annotated[
    str, typer.Argument(metavar="LANE", help="the lane that the header names; baseline: no header")
]
ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="the service that is called")]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="NAME=VALUE", help="one more header of the request; may be repeated"),
]
PortNumber = Annotated[int, typer.Option("--port", help="the port; else the first that speaks HTTP")]
Host = Annotated[str, typer.Option("--host", help="the host that a client from outside names")]
Method = Annotated[str, typer.Option("--method", help="the request's method")]
Path = Annotated[str, typer.Option("--path", help="the request's path, with its query")]


def explain(
    chain: ChainName,
    lane: LaneName,
    service: ServiceName,
    header: Headers = None,
    port: PortNumber = 0,
    host: Host = "",
    method: Method = "GET",
    path: Path = "/",
    as_json: AsJson = False,
) -> None:
    """Tell where a request goes, and which rule of which object sends it there.

    Reads the cluster's live objects, as the chain's driver does, and sends nothing. Exit codes: 0 told, also
    when nobody would answer; 1 an error, such as no service of that name, said on stderr; 2 wrong usage.
    """
    from provisioner import settings
    from provisioner.commands import asking
    from provisioner.routing import explain as explaining
    from provisioner.routing.explain import asked, gather

    found = asking.chain(settings.load(), chain)
    _known(found, service)
    more = tuple(asked.header(one) for one in header or ())
    live = gather.live(found, asking.connect())
    plain = asked.request(found, live, lane, service, port)
    request = replace(plain, headers=(*plain.headers, *more), host=host, method=method, path=path)
    explanation = explaining.explain(found, live, request)
    if as_json:
        typer.echo(json.dumps(asdict(explanation), indent=2))
    else:
        _show(found, request, explanation)


def _known(chain: Chain, service: str) -> None:
    from provisioner.commands import asking

    names = [one.name for one in chain.services]
    if service not in names:
        raise asking.unknown("service", service, names, f"chain {chain.name}")


def _show(chain: Chain, request: Request, explanation: Explanation) -> None:
    from provisioner.commands import tables

    carried = ", ".join(f"{name}: {value}" for name, value in request.headers) or "no header"
    come = f"from outside, for {request.host}" if request.host else "from another service"
    to = f"{request.service}:{request.port}"
    typer.echo(f"{request.method} {request.path} to {to}, {come}, with {carried}\n")
    tables.show(("OBJECT", "RULE", "SAYS"), ((one.thing, one.rule, one.says) for one in explanation.steps))
    typer.echo(f"\nanswers: {explanation.who}{_at(explanation)}")
    said = explanation.said or "nothing"
    typer.echo(f"{chain.carriers.header.lower()}-served: {said}")


def _at(explanation: Explanation) -> str:
    return f", at {', '.join(explanation.endpoints)}" if explanation.endpoints else ""
