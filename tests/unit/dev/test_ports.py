"""Ports that are chosen once and kept."""

from __future__ import annotations

import socket

from devcluster.dev import ports


def test_each_name_gets_a_port_of_its_own_and_keeps_it() -> None:
    first = ports.settle(["a", "b", "c"], {})

    assert len(set(first.values())) == 3
    assert ports.settle(["a", "b", "c"], first) == first


def test_a_port_that_somebody_took_meanwhile_is_replaced() -> None:
    with socket.create_server((ports.HOST, 0)) as taken:
        port = taken.getsockname()[1]

        assert ports.settle(["a"], {"a": port})["a"] != port
