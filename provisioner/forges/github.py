"""GitHub and GitHub Enterprise: pull requests over the REST API, through PyGithub.

The token needs to read pull requests of the chains' repositories, nothing else. It is read from its file at
each question, so that a Secret that changes is used at once, and never appears in an error or a log.

Source: https://docs.github.com/en/rest/pulls/pulls
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import github
import requests
from github.NamedUser import NamedUser
from github.PullRequest import PullRequest
from github.Repository import Repository as Head

from provisioner.chain.model import Repository
from provisioner.events import ForgeEvent, Kind
from provisioner.forges.errors import ForgeError, RepositoryHidden

SECONDS = 10  # for one answer
PAGE = 100  # the most that GitHub gives
_NEVER = datetime.min.replace(tzinfo=UTC)  # older than any delivery

# https://USER@HOST:PORT/..., ssh://HOST/..., USER@HOST:...; a path has no host
_HOST = re.compile(r"(?:[a-z+]+://(?:[^@/]*@)?|[^@/:]+@)(?P<host>[^:/]+)", re.IGNORECASE)


class GitHub:
    """`api` is the API's address, `token_file` holds a token and nothing else. Safe for several threads."""

    name = "github"

    def __init__(self, api: str, token_file: Path) -> None:
        self._api, self._token_file = api.rstrip("/"), token_file
        self._host = (urlsplit(api).hostname or "").removeprefix("api.")
        self._mine = threading.local()

    def serves(self, repository: Repository) -> bool:
        found = _HOST.match(repository.url)
        return found is None or found["host"].lower() == self._host

    def pull(self, repository: str, number: int) -> ForgeEvent | None:
        with self._asking(repository) as client:
            try:
                return _event(repository, client.get_repo(repository).get_pull(number))
            except github.UnknownObjectException:
                return None

    def open_pulls(self, repository: str) -> tuple[ForgeEvent, ...]:
        with self._asking(repository) as client:
            found = client.get_repo(repository).get_pulls("open", sort="created", direction="asc")
            return tuple(_event(repository, one) for one in found)

    @contextmanager
    def _asking(self, repository: str) -> Iterator[github.Github]:
        """A client of this thread's own. What it raises leaves as ForgeError."""
        try:
            yield self._client()
        except github.GithubException as error:
            raise self._refusal(error, repository) from error
        except requests.RequestException as error:
            raise ForgeError(f"it does not answer: {error}", where=self._api) from error

    def _client(self) -> github.Github:
        token = self._token()
        if getattr(self._mine, "token", None) != token:
            self._mine.token = token
            self._mine.client = github.Github(
                auth=github.Auth.Token(token),
                base_url=self._api,
                timeout=SECONDS,
                per_page=PAGE,
                user_agent="laneway",
                lazy=True,
                retry=None,
                seconds_between_requests=None,
            )
        client: github.Github = self._mine.client
        return client

    def _token(self) -> str:
        try:
            token = self._token_file.read_text().strip()
        except OSError as error:
            raise ForgeError(f"the token cannot be read: {error}", where=str(self._token_file)) from error
        if not token or not token.isascii() or not token.isprintable():
            raise ForgeError(
                "it must hold GitHub's token and nothing else", where=str(self._token_file), reason="NoToken"
            )
        return token

    def _refusal(self, error: github.GithubException, repository: str) -> ForgeError:
        headers = {key.lower(): value for key, value in (error.headers or {}).items()}
        said = f"it answered {error.status}{f' ({error.message})' if error.message else ''}"
        wait = _wait(headers, time.time())
        hidden = error.status in (requests.codes.forbidden, requests.codes.not_found) and wait is None
        kind = RepositoryHidden if hidden else ForgeError
        remedy = self._remedy(error.status, headers, repository)
        return kind(f"{said}{remedy}", where=self._api, retry_after=wait)

    def _remedy(self, status: int, headers: Mapping[str, str], repository: str) -> str:
        """What to do about a refusal, after a semicolon; empty where waiting is all."""
        if status == requests.codes.unauthorized:
            return f"; the token in {self._token_file} has expired or was revoked: put a new one there"
        if headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers:
            return "; the token's rate limit is used up"
        if status in (requests.codes.forbidden, requests.codes.not_found):
            return f"; give the token in {self._token_file} read access to pull requests of {repository}"
        return ""


def _event(repository: str, pull: PullRequest) -> ForgeEvent:
    """What is asked here is in lists too: nothing in it makes PyGithub ask again. An author may be gone."""
    author: NamedUser | None = pull.user
    return ForgeEvent(
        forge=GitHub.name,
        delivery="",
        kind=Kind.UPDATED if pull.state == "open" else Kind.CLOSED,
        repository=repository,
        ref=pull.head.ref,
        sha=pull.head.sha,
        updated_at=pull.updated_at or pull.created_at or _NEVER,
        pull=pull.number,
        base=pull.base.ref,
        head_repository=_head_repository(repository, pull),
        author=author.login if author else "",
        title=pull.title,
        url=pull.html_url,
        labels=tuple(label.name for label in pull.labels),
        draft=pull.draft,
        merged=pull.merged_at is not None,
    )


def _head_repository(repository: str, pull: PullRequest) -> str:
    """Where the head lies, spelled as `repository` if it is that. Of a fork that was deleted the owner is
    still in the label, OWNER:BRANCH; it must not pass for the repository itself."""
    head: Head | None = pull.head.repo
    if head is None:
        owner, colon, _ = (pull.head.label or "").partition(":")
        return f"{owner if colon and owner else 'ghost'}/(deleted)"
    return repository if head.full_name.lower() == repository.lower() else head.full_name


def _wait(headers: Mapping[str, str], now: float) -> float | None:
    """For how many seconds the forge wants to be left alone, if it says so."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(1.0, float(reset) - now)
    return None
