"""Lists in pages: every page shows the state in which the list began, as a real API server does it."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict

from devcluster import errors
from devcluster.store import Record

OPEN_LISTS = 64  # lists remembered between pages; an older one answers 410, and the client begins again


class Pages:
    """The lists that clients are in the middle of."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[int, list[Record]]] = OrderedDict()

    def begin(self, records: list[Record], revision: int, limit: int) -> tuple[list[Record], str, int]:
        """The first page of a list, the token of the next ("" at the end), and how many remain."""
        if not limit or len(records) <= limit:
            return records, "", 0
        name = secrets.token_hex(8)
        self._open[name] = (revision, records)
        while len(self._open) > OPEN_LISTS:
            self._open.popitem(last=False)
        return records[:limit], _token(name, limit), len(records) - limit

    def follow(self, token: str, limit: int) -> tuple[list[Record], int, str, int]:
        """The page that a token names: its records, the list's revision, the next token, and how many
        remain.
        """
        name, offset = _read(token)
        if name not in self._open:
            raise errors.expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "Start a new list without the continue parameter."
            )
        revision, records = self._open[name]
        end = offset + limit if limit else len(records)
        remaining = max(0, len(records) - end)
        return records[offset:end], revision, _token(name, end) if remaining else "", remaining

    def forget(self) -> None:
        self._open.clear()


def _token(name: str, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{name}:{offset}".encode()).decode()


def _read(token: str) -> tuple[str, int]:
    try:
        name, _, offset = base64.urlsafe_b64decode(token).decode().partition(":")
        return name, int(offset)
    except (binascii.Error, ValueError, UnicodeDecodeError) as error:
        raise errors.bad_request(f"continue key is not valid: {token!r}") from error
