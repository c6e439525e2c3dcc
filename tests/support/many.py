"""Thousands of requests over a few connections: sent in batches, answered in their order."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from provisioner.routing.envoy.node import FIRST_LISTENER

BATCH, CONNECTIONS = 64, 8


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]  # in lower case
    body: bytes

    @property
    def name(self) -> str:
        """Of the application that answered; its whole text where none did."""
        return str(json.loads(self.body)["name"]) if self.status == 200 else self.body.decode()


def request(headers: Mapping[str, str], path: str = "/") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nhost: payment\r\n{lines}\r\n".encode()


def ask(
    host: str, wanted: Iterable[Mapping[str, str]], port: int = FIRST_LISTENER, path: str = "/"
) -> Iterator[Reply]:
    """The answers to requests with these headers, in their order."""
    left = iter(wanted)
    with ExitStack() as stack:
        opened: list[_Connection] = []
        while round_ := [batch for _ in range(CONNECTIONS) if (batch := list(islice(left, BATCH)))]:
            opened += [_Connection(stack, (host, port)) for _ in round_[len(opened) :]]
            for connection, batch in zip(opened, round_, strict=False):
                connection.send(b"".join(request(headers, path) for headers in batch))
            for connection, batch in zip(opened, round_, strict=False):
                yield from (connection.reply() for _ in batch)


class _Connection:
    def __init__(self, stack: ExitStack, to: tuple[str, int]) -> None:
        made = stack.enter_context(socket.create_connection(to, 30))
        self.send = made.sendall
        self._answers = stack.enter_context(made.makefile("rb"))

    def reply(self) -> Reply:
        return _reply(self._answers)


def _reply(answers: BinaryIO) -> Reply:
    status = int(answers.readline().split()[1])
    headers = {}
    while (line := answers.readline().strip()) != b"":
        name, _, value = line.decode("latin-1").partition(": ")
        headers[name.lower()] = value
    return Reply(status, headers, answers.read(int(headers["content-length"])))
