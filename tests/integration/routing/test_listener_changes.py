"""What is under way at a listener when that changes: an entry, a key of links, a version of Laneway."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from provisioner.chain.model import Entry
from provisioner.routing.router import launch
from tests.support.routing import chain, wait_until
from tests.support.wire import END, client, exactly, through, until

WEBSOCKET = b"GET / HTTP/1.1\r\nhost: payment\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"


async def echoing(reader: Any, writer: Any) -> None:
    await reader.readuntil(END)
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    while data := await reader.read(65536):
        writer.write(data)


def test_a_websocket_goes_on_and_is_not_ended_a_while_later(world: Any) -> None:
    with through(world, echoing), client(world.envoy.address) as connection:
        connection.sendall(WEBSOCKET)
        until(connection)
        world.router.files.write(replace(chain(), entry=Entry("payment", cookie="lane")))
        wait_until(
            lambda: world.envoy.stat("listener_manager.total_filter_chains_draining") == 1, what="the change"
        )
        connection.sendall(b"ping")
        assert exactly(connection, 4) == b"ping"
    told = json.loads(world.envoy.admin("/server_info"))["command_line_options"]
    assert told["drain_time"] == f"{launch.REPLACED_SECONDS}s", "until then Envoy lets it live"
    assert launch.REPLACED_SECONDS == 86400, "docs/routing.md says a day"
