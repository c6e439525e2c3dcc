"""What git says when a repository asks who is there: from the Secret that the chain file names."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any, Protocol

from provisioner.chain.model import Repository
from provisioner.errors import ConfigError

DEFAULT_USER = "x-access-token"  # what GitHub takes beside a token; others ignore the name


class Secrets(Protocol):
    """What of the cluster is needed."""

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None: ...


def from_secrets(cluster: Secrets, namespace: str) -> Callable[[Repository], tuple[str, str] | None]:
    """User and token of a repository, read anew each time, so that a new token needs no restart.

    The Secret lies in `namespace` and holds `token` or `password`, and a `username` where it matters. The
    function raises ConfigError for a Secret that is absent or holds neither.
    """

    def credentials(repository: Repository) -> tuple[str, str] | None:
        if not repository.credentials:
            return None
        where = f"Secret {namespace}/{repository.credentials} of repository {repository.name}"
        found = cluster.get("Secret", repository.credentials, namespace)
        if found is None:
            raise ConfigError("does not exist; create it with the key `token`", where=where)
        data = {key: b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        token = data.get("token") or data.get("password")
        if not token:
            raise ConfigError("holds neither `token` nor `password`", where=where)
        return data.get("username") or DEFAULT_USER, token.strip()

    return credentials
