"""The forges whose deliveries Laneway takes: one entry each. Adding one adds a module beside this and an
entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.settings import Settings
from webhooks import github
from webhooks.delivery import Parsed

Headers = Mapping[str, str]
Parse = Callable[[Headers, bytes, Sequence[str], datetime], Parsed]


@dataclass(frozen=True)
class Forge:
    name: str  # as in POST /hooks/NAME
    parse: Parse
    secrets: Callable[[Settings], tuple[str, ...]]
    variable: str  # the setting that holds its secrets
    delivery_header: str
    event_header: str
    events: frozenset[str]  # those that may become a metric's label; any other counts as "other"

    def event(self, headers: Headers) -> str:
        """The event's name for metrics and logs; a bounded set, whatever an unsigned request says."""
        said = headers.get(self.event_header, "")
        return said if said in self.events else "other"


FORGES = {
    one.name: one
    for one in (
        Forge(
            name=github.FORGE,
            parse=github.parse,
            secrets=lambda settings: settings.github_secrets,
            variable="LANEWAY_GITHUB_SECRETS",
            delivery_header="x-github-delivery",
            event_header="x-github-event",
            events=github.EVENTS,
        ),
    )
}
