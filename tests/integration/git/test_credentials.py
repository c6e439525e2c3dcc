"""A token reaches the repository's host, and nothing else."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from provisioner.chain.model import Repository
from provisioner.errors import GitError
from provisioner.git import Repositories
from tests.support.origin import Origin

TOKEN = "s3cr3t'to\"ken$(id)"


class Forge(ThreadingHTTPServer):
    """Serves a repository over git's plain HTTP protocol to whoever knows the token; `redirect` sends
    everybody elsewhere. `seen` are the Authorization headers, `arguments` what processes were called with
    meanwhile."""

    daemon_threads = True

    def __init__(self, origin: Origin) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        origin.git("update-server-info")
        self.origin = origin
        self.redirect = ""
        self.seen: list[str] = []
        self.arguments = ""
        self.url = f"http://127.0.0.1:{self.server_port}/shop.git"


class Handler(BaseHTTPRequestHandler):
    server: Forge

    def do_GET(self) -> None:
        forge = self.server
        if forge.redirect:
            self._answer(302, b"", {"Location": forge.redirect + self.path})
            return
        given = self.headers.get("Authorization", "")
        forge.seen.append(given)
        forge.arguments += "\n".join(
            " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
        )
        if given != "Basic " + base64.b64encode(f"laneway:{TOKEN}".encode()).decode():
            self._answer(401, b"", {"WWW-Authenticate": 'Basic realm="forge"'})
            return
        file = forge.origin.path / self.path.partition("?")[0].removeprefix("/shop.git/")
        self._answer(*((200, file.read_bytes()) if file.is_file() else (404, b"")))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: pytest would show it."""


@pytest.fixture
def forge(origin: Origin) -> Iterator[Forge]:
    yield from serve(origin)


@pytest.fixture
def elsewhere(origin: Origin) -> Iterator[Forge]:
    yield from serve(origin)


def serve(origin: Origin) -> Iterator[Forge]:
    with Forge(origin) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def repositories(mirrors: Path, token: str | None) -> Repositories:
    return Repositories(
        mirrors, max_bytes=10**9, timeout=20, credentials=lambda _: ("laneway", token) if token else None
    )


def test_the_token_opens_the_repository_and_is_no_argument(
    origin: Origin, forge: Forge, mirrors: Path
) -> None:
    found = repositories(mirrors, TOKEN).heads(Repository(forge.url, "acme/shop"))
    assert found == {"main": origin.sha("main")}
    assert "ls-remote" in forge.arguments
    assert "s3cr3t" not in forge.arguments


def test_the_token_lies_in_no_file(forge: Forge, mirrors: Path) -> None:
    repositories(mirrors, TOKEN).heads(Repository(forge.url, "acme/shop"))
    assert not [path for path in mirrors.rglob("*") if path.is_file() and b"s3cr3t" in path.read_bytes()]


def test_a_wrong_token_is_said_without_the_token(forge: Forge, mirrors: Path) -> None:
    with pytest.raises(GitError) as caught:
        repositories(mirrors, "wr0ng").heads(Repository(forge.url, "acme/shop", credentials="forge-token"))
    assert caught.value.reason == "RepositoryAccessRefused"
    assert "the Secret 'forge-token'" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_a_missing_token_is_asked_of_nobody(forge: Forge, mirrors: Path) -> None:
    with pytest.raises(GitError, match="refuses no credentials"):
        repositories(mirrors, None).heads(Repository(forge.url, "acme/shop"))


def test_a_redirect_to_another_host_gets_no_token(forge: Forge, elsewhere: Forge, mirrors: Path) -> None:
    forge.redirect = f"http://localhost:{elsewhere.server_port}"
    with pytest.raises(GitError):
        repositories(mirrors, TOKEN).heads(Repository(forge.url, "acme/shop"))
    assert elsewhere.seen
    assert set(elsewhere.seen) == {""}


def test_a_token_in_the_url_is_shown_neither_in_errors_nor_in_arguments(mirrors: Path, forge: Forge) -> None:
    url = forge.url.replace("http://", "http://laneway:hunter2@")
    with pytest.raises(GitError) as caught:
        repositories(mirrors, None).heads(Repository(url, "acme/shop"))
    assert "hunter2" not in str(caught.value)
    assert "git-remote-http" in forge.arguments
    assert "hunter2" not in forge.arguments


def test_a_token_in_the_url_opens_the_repository(origin: Origin, forge: Forge, mirrors: Path) -> None:
    url = forge.url.replace("http://", f"http://laneway:{quote(TOKEN)}@")
    assert repositories(mirrors, None).heads(Repository(url, "acme/shop")) == {"main": origin.sha("main")}
