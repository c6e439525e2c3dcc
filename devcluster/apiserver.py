"""The API over HTTP: an ASGI application over one `Api`.

A write is acknowledged only once it would survive the end of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from devcluster import discovery, errors, rbac, requests, reviews, verbs, watching
from devcluster.answers import Answer, answer, refusal
from devcluster.api import Api
from devcluster.errors import ApiError
from devcluster.openapi import Documents
from devcluster.paging import Pages
from devcluster.requests import Call

HEALTH = ("/healthz", "/readyz", "/livez")
WRITES = ("create", "update", "patch", "delete", "deletecollection")


class ApiServer:
    """The ASGI application."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.pages = Pages()
        self.documents = Documents(api.resources)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            found = await self._answer(http)
        except ApiError as error:
            found = refusal(error)
        if isinstance(found, Answer):
            await _respond(found)(scope, receive, send)
        else:
            await _stream(found, receive, send)

    async def _answer(self, http: HttpRequest) -> Answer | AsyncIterator[bytes]:
        path = http.url.path
        if path.startswith(HEALTH):
            return Answer(200, b"ok", "text/plain; charset=utf-8")
        if found := discovery.serve(self.api.resources, path, http.headers.get("accept", "")):
            return found
        if found := self.documents.serve(path):
            return found
        call = requests.read(http.method, path, dict(http.query_params))
        if call is None:
            raise errors.no_such_path()
        raw = await http.body()
        if call.group in discovery.REVIEWS:
            return answer(201, reviews.review(call, raw, http.headers.get("content-type", "")))
        return await self._call(call, http, raw)

    async def _call(self, call: Call, http: HttpRequest, raw: bytes) -> Answer | AsyncIterator[bytes]:
        request = verbs.Request(self.api, self.pages, call, dict(http.headers), raw)
        resource = request.target.resource
        rbac.check(self.api, call, http.headers)
        if not _allowed(call):
            raise errors.method_not_allowed()
        if call.subresource and call.subresource not in resource.subresources:
            raise errors.no_such_path()
        if call.subresource in verbs.SPECIAL:
            return verbs.SPECIAL[call.subresource](request)
        if call.verb == "watch":
            return watching.lines(self.api, call, request.presenter)
        found = verbs.VERBS[call.verb](request)
        if call.verb in WRITES:
            await self.api.store.durable()
        return found


def _allowed(call: Call) -> bool:
    """Whether a verb fits what its path names: a collection, or one object."""
    if call.verb == "create":
        return not call.name or call.subresource in verbs.SPECIAL
    return bool(call.name) or call.verb not in ("update", "patch")


def _respond(found: Answer) -> Response:
    response = Response(found.body, found.code, found.headers, found.content_type)
    for warning in found.warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("warning", f'299 - "{quoted}"')
    return response


async def _stream(lines: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send lines as they come, until they end or the client goes."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    sending = asyncio.ensure_future(_send_lines(lines, send))
    gone = asyncio.ensure_future(_disconnected(receive))
    await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
    for task in (sending, gone):
        task.cancel()
    await asyncio.wait({sending, gone})
    if not sending.cancelled() and (error := sending.exception()):
        raise error


async def _send_lines(lines: AsyncIterator[bytes], send: Send) -> None:
    async for line in lines:
        await send({"type": "http.response.body", "body": line, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
