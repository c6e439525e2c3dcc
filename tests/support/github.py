"""GitHub's web API, as far as Laneway asks it, over real HTTP: pull requests that a test opens and closes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from provisioner.events import ForgeEvent, Kind

Json = dict[str, Any]
TOKEN = "github_pat_for_tests"


@dataclass(frozen=True)
class Answer:
    """What it says instead, and whether it breaks off before that."""

    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class GitHubApi:
    """Pull requests by repository and number. `trouble` answers everything while it is set; `seen` are the
    paths that were asked for."""

    url: str = ""
    pulls: dict[tuple[str, int], ForgeEvent] = field(default_factory=dict)
    trouble: Answer | None = None
    page: int = 100
    seen: list[str] = field(default_factory=list)

    def shows(self, event: ForgeEvent) -> None:
        """From now on the pull request is as the event says."""
        self.pulls[event.repository, event.pull] = event

    def closes(self, repository: str, number: int, at: datetime) -> None:
        known = self.pulls[repository, number]
        self.shows(replace(known, kind=Kind.CLOSED, updated_at=at))

    def answer(self, path: str, authorization: str) -> tuple[Answer, Any]:
        """Status and body of one GET."""
        self.seen.append(path)
        if self.trouble is not None:
            return self.trouble, {"message": self.trouble.message}
        if authorization not in (f"token {TOKEN}", f"Bearer {TOKEN}"):
            return Answer(401), {"message": "Bad credentials"}
        asked = urlsplit(path)
        _, _, owner, name, _, *number = asked.path.split("/")
        repository = f"{owner}/{name}"
        if not number:
            return self._list(repository, parse_qs(asked.query))
        found = self.pulls.get((repository, int(number[0])))
        return (Answer(200), _pull(found)) if found else (Answer(404), {"message": "Not Found"})

    def _list(self, repository: str, query: dict[str, list[str]]) -> tuple[Answer, Any]:
        number, size = int(query.get("page", ["1"])[0]), min(self.page, int(query["per_page"][0]))
        found = [
            one for key, one in sorted(self.pulls.items()) if key[0] == repository and _state(one) == "open"
        ]
        here = [_pull(one) for one in found[(number - 1) * size : number * size]]
        following = f"{self.url}/repos/{repository}/pulls?state=open&per_page={size}&page={number + 1}"
        more = len(found) > number * size
        return Answer(200, headers={"link": f'<{following}>; rel="next"'} if more else {}), here


@contextmanager
def github_api() -> Iterator[GitHubApi]:
    """The API, on a free port of its own."""
    api = GitHubApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer, body = api.answer(self.path, self.headers.get("authorization", ""))
            data = json.dumps(body).encode()
            self.send_response(answer.status)
            for key, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing: `seen` has it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def _state(one: ForgeEvent) -> str:
    return "closed" if one.kind is Kind.CLOSED else "open"


def _pull(one: ForgeEvent) -> Json:
    """As GitHub spells it; a head repository called `gone` was deleted."""
    at = one.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    head = one.head_repository or one.repository
    return {
        "url": f"/repos/{one.repository}/pulls/{one.pull}",
        "html_url": one.url or f"https://github.com/{one.repository}/pull/{one.pull}",
        "number": one.pull,
        "state": _state(one),
        "title": one.title,
        "user": {"login": one.author} if one.author else None,
        "labels": [{"name": name} for name in one.labels],
        "draft": one.draft,
        "created_at": at,
        "updated_at": at,
        "merged_at": at if one.merged else None,
        "head": {
            "label": f"{head.split('/')[0]}:{one.ref}",
            "ref": one.ref,
            "sha": one.sha,
            "repo": None if head.endswith("/gone") else {"full_name": head, "url": f"/repos/{head}"},
        },
        "base": {"ref": one.base, "repo": {"full_name": one.repository, "url": f"/repos/{one.repository}"}},
    }
