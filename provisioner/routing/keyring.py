"""The keys of signed links as their file has them, and the chain files held to them.

The file is read again when it changes, as a Secret that is mounted does. What is wrong with a newer one
changes nothing but `problem`: the keys of before go on counting.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from provisioner.chain.model import Chain
from provisioner.errors import ConfigError, LanewayError
from provisioner.routing import links
from provisioner.routing.links import Keys

log = structlog.get_logger()

SETTING = "LANEWAY_LINK_KEYS_FILE"


def load(file: Path | None) -> Keys:
    """The keys in a file, none without a file. ConfigError when it cannot be read or holds no keys."""
    if file is None:
        return ()
    where = f"{SETTING}: {file}"
    try:
        return links.read_keys(file.read_text("utf-8"), where)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the keys of signed links cannot be read: {error}", where=where) from error


def check(chains: Iterable[Chain], keys: Keys) -> None:
    """ConfigError that names the chains with signed links for which there is no key."""
    unsigned = sorted(chain.name for chain in chains if chain.entry.link)
    if unsigned and not keys:
        raise ConfigError(
            f"chain {', '.join(unsigned)} has signed links (entry.link), and there is no key: write one "
            "(`openssl rand -hex 32`) into a Secret and name its file, or take entry.link away",
            where=SETTING,
        )


class Book(Protocol):
    """The part of `provisioner.chain.book.ChainBook` that is needed here."""

    problem: LanewayError | None

    def chains(self) -> Mapping[str, Chain]: ...


class Keyring:
    """Chain files and keys together, as the router wants them. Raises ConfigError at the start when there is
    no right key; later, chains that need one which is missing are not shown. Safe to share between
    threads."""

    def __init__(self, book: Book, file: Path | None) -> None:
        self._book, self._file = book, file
        self._lock = threading.Lock()
        self._keys = load(file)
        self._chains = book.chains()
        self._problem: LanewayError | None = None
        check(self._chains.values(), self._keys)

    @property
    def problem(self) -> LanewayError | None:
        """What is wrong with the files as they are now."""
        return self._book.problem or self._problem

    def chains(self) -> Mapping[str, Chain]:
        """The chains by name; those of before while new ones need a key that there is not."""
        with self._lock:
            try:
                self._look()
            except ConfigError as error:
                self._note(error)
            return self._chains

    def keys(self) -> Keys:
        """The keys as they were when the chains were looked at last."""
        return self._keys

    def _look(self) -> None:
        chains, self._keys = self._book.chains(), load(self._file)
        check(chains.values(), self._keys)
        self._chains, self._problem = chains, None

    def _note(self, error: ConfigError) -> None:
        if str(error) != str(self._problem):
            log.warning("router.keys_refused", error=str(error))
        self._problem = error
