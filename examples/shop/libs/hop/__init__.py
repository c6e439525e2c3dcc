"""One hop of the shop: answers `GET /` with who it is, then with what the next service says of itself.

Every service is this small application with another name, so that the folders of the services hold only what
tells them apart. What a request carries is passed on in one of two ways, and each suffices for a lane:

- `opentelemetry`: the service is instrumented and knows nothing of lanes; W3C baggage travels by itself.
- `header`: no instrumentation; the service copies the one header of the lane to the next request.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LANE_HEADER = "x-preview-lane"
SECONDS = 30.0  # how long a hop waits for the next one: longer than a sleeping lane may take to wake
Page = Callable[[dict[str, Any]], str]


def build(service: str, version: str, *, forwards: str = "opentelemetry", page: Page | None = None) -> Any:
    """The ASGI application of `service`. The next service's URL is in NEXT_URL (empty: this is the last hop),
    the lane that this copy belongs to in LANEWAY_LANE (empty on the baseline). `page` makes HTML of the
    answer, for those who ask for HTML."""
    following = os.environ.get("NEXT_URL", "")
    me = {"service": service, "version": version, "lane": os.environ.get("LANEWAY_LANE", "")}
    instrumented = forwards == "opentelemetry"

    async def answer(request: Request) -> Response:
        status, found = 200, {"hops": [me]}
        if following:
            headers = {} if instrumented else _copied(request)
            status, found = await _ask(request.app.state.client, following, headers, me)
        if page and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page(found), status, headers={"vary": "accept"})
        return JSONResponse(found, status)

    application = Starlette(
        routes=[Route("/", answer), Route("/healthz", _healthy)], lifespan=_client(instrumented)
    )
    return OpenTelemetryMiddleware(application) if instrumented else application


def _client(instrumented: bool) -> Any:
    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        plain = httpx.AsyncHTTPTransport()
        transport = AsyncOpenTelemetryTransport(plain) if instrumented else plain
        async with httpx.AsyncClient(transport=transport, timeout=SECONDS) as client:
            application.state.client = client
            yield

    return lifespan


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _copied(request: Request) -> dict[str, str]:
    lane = request.headers.get(LANE_HEADER)
    return {LANE_HEADER: lane} if lane else {}


async def _ask(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], me: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    """The next service's hops behind our own; 502 with the hops so far when it cannot say them."""
    try:
        reply = await client.get(url, headers=headers)
        body = reply.json()
        return reply.status_code, {**body, "hops": [me, *body["hops"]]}
    except httpx.HTTPError as error:
        return _broken(me, url, f"{type(error).__name__}: {error}")
    except (ValueError, KeyError, TypeError):
        return _broken(me, url, f"it answered {reply.status_code}: {reply.text[:200]!r}")


def _broken(me: dict[str, str], url: str, why: str) -> tuple[int, dict[str, Any]]:
    return 502, {"hops": [me], "error": f"{url} could not be asked: {why}"}
