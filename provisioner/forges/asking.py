"""Asks the forges that a token is set for, one answer at a time, and spares one that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import structlog
from prometheus_client import Counter

from provisioner.chain.model import Chain, Repository
from provisioner.errors import LanewayError
from provisioner.events import ForgeEvent, Kind
from provisioner.forges.errors import ForgeError, RepositoryHidden
from provisioner.settings import Settings

REST_SECONDS = 30.0  # a forge that failed, and did not say for how long, is left alone so long
ASKED = Counter("laneway_forge_requests", "Questions to forges, by how they ended", ["forge", "result"])

T = TypeVar("T")
log = structlog.get_logger()


class Forge(Protocol):
    """One kind of forge. What it says of a pull request is an event of kind UPDATED, or CLOSED."""

    name: str  # as in `ForgeEvent.forge`

    def serves(self, repository: Repository) -> bool:
        """Whether the repository lies there."""

    def pull(self, repository: str, number: int) -> ForgeEvent | None:
        """A pull request as it is; None when there is none that the token may see. Raises ForgeError."""

    def open_pulls(self, repository: str) -> tuple[ForgeEvent, ...]:
        """All that are open, in no order. One that is closed while the answer's pages are fetched may hide
        another: ask `pull` before acting on an absence. Raises ForgeError."""


@dataclass
class _Rest:
    until: float = 0.0  # monotonic
    why: ForgeError | None = None


class Forges:
    """Those that can be asked, by their names. Safe for several threads."""

    def __init__(self, known: Mapping[str, Forge], clock: Callable[[], float] = time.monotonic) -> None:
        self._known, self._clock = known, clock
        self._rests = {name: _Rest() for name in known}
        self._lock = threading.Lock()

    def knows(self, repository: Repository) -> bool:
        """Whether anybody can be asked about its pull requests."""
        return any(forge.serves(repository) for forge in self._known.values())

    def latest(self, event: ForgeEvent, chain: Chain) -> ForgeEvent:
        """The pull request of an event as its forge says it is now, under the event's delivery; the event
        itself where nobody can be asked, or where it is the newer of the two."""
        forge, repository = self._known.get(event.forge), chain.repository(event.repository)
        if not event.pull or forge is None or repository is None or not forge.serves(repository):
            return event
        try:
            found = self._ask(forge, lambda: forge.pull(repository.name, event.pull))
        except ForgeError as error:
            log.warning("forge.unasked", repository=repository.name, pull=event.pull, error=str(error))
            return event
        if found is None or found.updated_at < event.updated_at:
            return event
        kind = event.kind if found.kind is Kind.UPDATED and event.kind is Kind.OPENED else found.kind
        return replace(found, delivery=event.delivery, kind=kind)

    def pull(self, repository: Repository, number: int) -> ForgeEvent | None:
        """As `Forge.pull`. Raises ForgeError, LanewayError when nobody `knows` the repository."""
        forge = self._of(repository)
        return self._ask(forge, lambda: forge.pull(repository.name, number))

    def open_pulls(self, repository: Repository) -> tuple[ForgeEvent, ...]:
        """As `Forge.open_pulls`. Raises ForgeError, LanewayError when nobody `knows` the repository."""
        forge = self._of(repository)
        return self._ask(forge, lambda: forge.open_pulls(repository.name))

    def _of(self, repository: Repository) -> Forge:
        for forge in self._known.values():
            if forge.serves(repository):
                return forge
        raise LanewayError("no forge with a token serves it", where=repository.name)

    def _ask(self, forge: Forge, question: Callable[[], T]) -> T:
        """The answer; a forge that rests is not asked, and one that fails rests."""
        with self._lock:
            rest = self._rests[forge.name]
            if rest.why is not None and self._clock() < rest.until:
                ASKED.labels(forge.name, "spared").inc()
                raise rest.why
        try:
            answer = question()
        except ForgeError as error:
            ASKED.labels(forge.name, "failed").inc()
            self._rest(forge, error)
            raise
        ASKED.labels(forge.name, "answered").inc()
        return answer

    def _rest(self, forge: Forge, error: ForgeError) -> None:
        """Others of its repositories are asked for as before where one alone is out of sight."""
        if not isinstance(error, RepositoryHidden):
            with self._lock:
                self._rests[forge.name] = _Rest(self._clock() + (error.retry_after or REST_SECONDS), error)


SILENT = Forges({})  # where no token is set


def connect(settings: Settings) -> Forges:
    """The forges that the settings have a token for."""
    if settings.github_token_file is None:
        return SILENT
    from provisioner.forges.github import GitHub  # its library is large: only who has a token loads it

    return Forges({GitHub.name: GitHub(settings.github_api, settings.github_token_file)})
