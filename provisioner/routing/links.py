"""Signed links: who holds one may enter its lane until it expires, and no other. Pure.

A link's token is a JWT (RFC 7519), signed with HMAC-SHA256: `aud` is the chain, `lane` the lane, `exp` the
end. Envoy checks it by itself, so it has to have the key; each chain has a key of its own, derived from
Laneway's, and an Envoy gets its chain's alone. While one key replaces another both count; the first signs.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from provisioner import durations
from provisioner.chain.model import Chain, Entry
from provisioner.errors import ConfigError, InputError

ISSUER = "laneway"
LEAST_CHARACTERS = 32
MOST_KEYS = 2
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=90)

Keys = tuple[bytes, ...]


def read_keys(text: str, where: str) -> Keys:
    """The keys of a key file: one a line, the first one signs.

    Raises ConfigError for none, more than two, and one that could be guessed.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not 1 <= len(lines) <= MOST_KEYS:
        raise ConfigError(
            f"holds {len(lines)} keys; write one a line: one, or two while one replaces the other",
            where=where,
        )
    for number, line in enumerate(lines, start=1):
        if len(line) < LEAST_CHARACTERS or len(set(line)) < LEAST_CHARACTERS // 4:
            raise ConfigError(
                f"key {number} can be guessed: write at least {LEAST_CHARACTERS} characters that nobody "
                "chose, such as `openssl rand -hex 32` gives",
                where=where,
            )
    return tuple(line.encode() for line in lines)


def of_chain(keys: Iterable[bytes], chain: str) -> Keys:
    """What signs the links of one chain; it opens no other, and says nothing of the keys it is made of."""
    return tuple(hmac.digest(key, f"laneway links of {chain}".encode(), "sha256") for key in keys)


def sign(key: bytes, chain: str, lane: str, expires: datetime) -> str:
    """The token of a link; `key` is the chain's, `expires` has a time zone."""
    claims = {"iss": ISSUER, "aud": chain, "lane": lane, "exp": int(expires.timestamp())}
    signed = ".".join(_encoded(_json(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(key, signed.encode(), 'sha256'))}"


def key_set(keys: Sequence[bytes]) -> str:
    """The chain's keys as a JSON Web Key Set (RFC 7517). They can check HS256 and nothing else."""
    found = [{"kty": "oct", "alg": "HS256", "k": _encoded(key)} for key in keys]
    return _json({"keys": found}).decode()


def lifetime(text: str) -> timedelta:
    """How long a link may count, as people write it. InputError for none, or one that is out of bounds."""
    found = durations.parse(text)
    if not SHORTEST <= found <= LONGEST:
        raise InputError(f"a link counts from 1m to 90d; not {text[:40]}", where="--for")
    return found


def issue(chain: Chain, lane: str, keys: Keys, expires: datetime) -> str:
    """A link to a lane of the chain, signed with the first of Laneway's keys.

    Raises ConfigError for a chain without signed links or an address to link to, and without a key.
    """
    if not chain.entry.link:
        raise ConfigError(
            f"chain {chain.name} has no signed links: name their query parameter, such as `link: preview`",
            where="entry.link",
        )
    if not keys:
        raise ConfigError(
            "there is no key to sign with: name its file, or run this in a worker's pod, which has it",
            where="LANEWAY_LINK_KEYS_FILE",
        )
    return url(chain.entry, lane, sign(of_chain(keys, chain.name)[0], chain.name, lane, expires))


def url(entry: Entry, lane: str, token: str) -> str:
    """The link: the lane's address with the token. ConfigError where the chain's file names no address."""
    if not entry.address:
        raise ConfigError(
            "the chain has no address to link to: give it `entry.url`, what people open in a browser",
            where="entry",
        )
    parts = urlsplit(entry.address.replace("{lane}", lane))
    query = "&".join(filter(None, [parts.query, f"{entry.link}={token}"]))
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
