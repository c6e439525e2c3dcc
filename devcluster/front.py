"""What stands before the API: injected faults, the journal of requests, and the administrative address.

`/devcluster/faults` lists (GET), adds (POST) and removes (DELETE, one by `/devcluster/faults/N`) rules;
`/devcluster/requests` reports (GET, `?reset=1` empties it afterwards, `?user_agent=` selects) and resets
(DELETE); `/devcluster/stall` (POST `{"seconds": N}`) holds every request; `/devcluster/compact` (POST)
forgets the past; `/devcluster/processes` (GET) tells the process ids of each pod's containers.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from devcluster import connections, rbac, requests
from devcluster.answers import Answer, answer, refusal
from devcluster.api import Api
from devcluster.apiserver import ApiServer
from devcluster.errors import ApiError, bad_request, method_not_allowed, no_such_path
from devcluster.faults import CUT, FAIL, STALL, Faults, Rule, rule
from devcluster.journal import Entry, Journal
from devcluster.requests import Call

PREFIX = "/devcluster/"


class Front:
    """The ASGI application in front of the API's."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.server = ApiServer(api)
        self.faults = Faults()
        self.journal = Journal()
        self._stalled_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith(PREFIX):
            await self._administer(scope, receive, send)
            return
        http = HttpRequest(scope)
        agent = http.headers.get("user-agent", "")
        call = _call(http)
        await self._stall()
        chosen = self.faults.choose(http.method, http.url.path, call, agent)
        code = await self._handle(chosen, scope, receive, send)
        if call is not None:
            name = (call.verb, call.resource, call.namespace, call.name, call.subresource)
            self.journal.add(Entry(*name, agent, code, rbac.user(http.headers)))

    async def _stall(self) -> None:
        left = self._stalled_until - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    async def _handle(self, chosen: Rule | None, scope: Scope, receive: Receive, send: Send) -> int:
        """Handle one request as its fault wants: the status answered, 0 for none."""
        if chosen is None or chosen.action == STALL:
            if chosen is not None:
                await asyncio.sleep(chosen.seconds)
            return await self._pass(scope, receive, send)
        if chosen.action == FAIL:
            await _send(refusal(chosen.failure(_call(HttpRequest(scope)))), scope, receive, send)
            return chosen.status
        if chosen.action == CUT and scope["method"] != "GET":  # reading has no effect that could be taken
            await self.server(scope, receive, _swallow)
        await _cut(scope, receive)
        return 0

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> int:
        codes = [0]

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                codes[0] = message["status"]
            await send(message)

        await self.server(scope, receive, noting)
        return codes[0]

    # administration

    async def _administer(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            found = self._administered(http, await http.body())
        except ApiError as error:
            found = refusal(error)
        await _send(found, scope, receive, send)

    def _administered(self, http: HttpRequest, raw: bytes) -> Answer:
        what, _, rest = http.url.path.removeprefix(PREFIX).partition("/")
        match what, http.method:
            case "faults", _:
                return self._faults(http.method, rest, raw)
            case "requests", "GET":
                report = self.journal.report(http.query_params.get("user_agent", ""))
                if http.query_params.get("reset"):
                    self.journal.reset()
                return answer(200, report)
            case "requests", "DELETE":
                self.journal.reset()
                return answer(200, {})
            case "stall", "POST":
                seconds = requests.document(raw, "").get("seconds")
                if not isinstance(seconds, int | float):
                    raise bad_request("'seconds' must be a number")
                self._stalled_until = asyncio.get_running_loop().time() + seconds
                return answer(200, {})
            case "compact", "POST":
                self.api.store.history.compact()
                self.server.pages.forget()
                return answer(200, {})
            case "processes", "GET":
                return answer(200, self.api.processes_source() if self.api.processes_source else {})
            case (("requests" | "stall" | "compact" | "processes"), _):
                raise method_not_allowed()
        raise no_such_path()

    def _faults(self, method: str, number: str, raw: bytes) -> Answer:
        match method:
            case "GET":
                return answer(200, {"faults": [asdict(found) for found in self.faults.rules]})
            case "POST":
                return answer(201, asdict(self.faults.add(rule(requests.document(raw, "")))))
            case "DELETE":
                self.faults.remove(int(number) if number.isdigit() else None)
                return answer(200, {})
        raise method_not_allowed()


def _call(http: HttpRequest) -> Call | None:
    try:
        return requests.read(http.method, http.url.path, dict(http.query_params))
    except ApiError:
        return None  # the server refuses it in its own words


async def _send(found: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    await Response(found.body, found.code, found.headers, found.content_type)(scope, receive, send)


async def _swallow(message: Message) -> None:
    """Send nothing: the request takes effect, and nobody hears of it."""


async def _cut(scope: Scope, receive: Receive) -> None:
    host, port = scope["client"]
    connections.cut((host, port))
    while (await receive())["type"] != "http.disconnect":
        pass
