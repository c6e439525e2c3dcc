"""The entry of a chain, as those outside see it: a router in front of it, and one lane behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from provisioner.chain.model import Entry
from provisioner.routing import links
from provisioner.routing.envoy.node import FIRST_LISTENER
from tests.support.routing import chain, endpoint_slice, get, lane, wait_until

if TYPE_CHECKING:
    from tests.integration.routing.conftest import World

KEY = b"0123456789abcdef0123456789abcdef"
INSIDE, OUTSIDE = "127.0.0.7", "127.0.0.8"


def token(name: str = "pr-4", of: str = "shop", key: bytes = KEY, seconds: float = 3600) -> str:
    (derived,) = links.of_chain([key], of)
    return links.sign(derived, of, name, datetime.now(UTC) + timedelta(seconds=seconds))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def seen(self) -> list[tuple[str, str]]:
        """The headers that the application got."""
        return [(key.lower(), value) for key, value in json.loads(self.body)["headers"]]

    @property
    def lane(self) -> str:
        return ",".join(value for key, value in self.seen if key == "x-preview-lane")

    @property
    def baggage(self) -> str:
        return ",".join(value for key, value in self.seen if key == "baggage")

    @property
    def served(self) -> str | None:
        return self.headers.get("x-preview-lane-served")

    @property
    def path(self) -> str:
        return str(json.loads(self.body)["request"]).split(" ")[1]


class Door:
    """The entry of a chain, with the lane pr-4 behind it."""

    def __init__(self, world: World, entry: Entry) -> None:
        self.world = world
        world.start(replace(chain(), entry=entry))
        world.router.files.link_keys = (KEY,)
        copy = world.upstream("pr-4")
        world.store.put(lane("pr-4"), endpoint_slice("payment", [copy.address], "pr-4"))
        followed = f"/?{entry.link}={token()}"
        wait_until(lambda: self.ask(path=followed).status == 302, what="the key at Envoy")
        right = [("x-preview-lane", "pr-4"), ("cookie", f"laneway-{entry.link}={token()}")]
        wait_until(lambda: self.ask(right, source=INSIDE).served == "payment=pr-4", what="the lane")

    def ask(
        self,
        headers: Sequence[tuple[str, str]] = (),
        path: str = "/",
        method: str = "GET",
        source: str = OUTSIDE,
    ) -> Answer:
        """One request on a connection of its own, from an address of this machine."""
        return Answer(*get(self.world.envoy.address, FIRST_LISTENER, path, headers, method, source))


Doors = Callable[[Entry], Door]
