"""Who git says is asking."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from provisioner.chain.model import Repository
from provisioner.errors import ConfigError
from workers.credentials import from_secrets

PRIVATE = Repository("https://github.com/acme/shop.git", "acme/shop", credentials="shop-git")


class Secrets:
    """The Secrets of one namespace."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self._secrets = {name.replace("_", "-"): data for name, data in secrets.items()}

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        assert (kind, namespace) == ("Secret", "laneway-system")
        if name not in self._secrets:
            return None
        return {
            "data": {key: b64encode(value.encode()).decode() for key, value in self._secrets[name].items()}
        }


def asked(secrets: Secrets, repository: Repository = PRIVATE) -> tuple[str, str] | None:
    return from_secrets(secrets, "laneway-system")(repository)


def test_a_repository_without_credentials_needs_no_secret() -> None:
    assert asked(Secrets(), Repository("https://github.com/acme/shop.git", "acme/shop")) is None


def test_a_token_alone_is_enough() -> None:
    assert asked(Secrets(shop_git={"token": "t0\n"})) == ("x-access-token", "t0")


def test_user_and_password_are_taken_as_they_are() -> None:
    assert asked(Secrets(shop_git={"username": "mona", "password": "p"})) == ("mona", "p")


@pytest.mark.parametrize("secrets", [Secrets(), Secrets(shop_git={}), Secrets(shop_git={"key": "x"})])
def test_a_secret_that_cannot_serve_is_named(secrets: Secrets) -> None:
    with pytest.raises(ConfigError, match="laneway-system/shop-git"):
        asked(secrets)
