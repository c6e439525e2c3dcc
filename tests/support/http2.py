"""HTTP/2 without TLS, spoken from the first byte: an application and a client, frame by frame."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hyperframe.frame import Frame

Fields = list[tuple[str, str]]
LARGEST_HEAD = 1 << 24
ODD = 0x2  # the code of a stream that was reset: INTERNAL_ERROR


def connection(client: bool) -> H2Connection:
    """A connection that has begun. Of the application's side it takes 100 streams, which is the least that
    servers are asked to take. Headers are not checked: the library knows nothing of CONNECT."""
    unchecked = {"validate_inbound_headers": False, "validate_outbound_headers": False}
    made = H2Connection(H2Configuration(client_side=client, header_encoding="utf-8", **unchecked))
    made.decoder.max_header_list_size = LARGEST_HEAD
    made.initiate_connection()
    made.update_settings(
        {SettingCodes.MAX_HEADER_LIST_SIZE: LARGEST_HEAD}
        | ({} if client else {SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    )
    return made


@dataclass
class Message:
    """A request or an answer so far. `code` is that of a stream that was reset."""

    head: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    ended: bool = False
    code: int | None = None

    def __getitem__(self, name: str) -> str:
        return dict(self.head)[name]

    def take(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived() | events.ResponseReceived():
                self.head = list(event.headers)
            case events.DataReceived():
                self.body += event.data
            case events.TrailersReceived():
                self.trailers = list(event.headers)
            case events.StreamEnded():
                self.ended = True
            case events.StreamReset():
                self.ended, self.code = True, event.error_code


class Application:
    """Answers a request when it has ended with its own name, its body and its trailers; one to /stream, and a
    tunnel, piece by piece; one to /reset not at all. `asked` is every request so far."""

    def __init__(self, name: str) -> None:
        self.name, self.asked = name, list[Message]()
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        spoken = connection(client=False)
        requests: dict[int, Message] = {}
        writer.write(spoken.data_to_send())
        while data := await reader.read(1 << 16):
            for event in spoken.receive_data(data):
                self._hear(spoken, requests, event)
            writer.write(spoken.data_to_send())
            await writer.drain()

    def _hear(self, spoken: H2Connection, requests: dict[int, Message], event: events.Event) -> None:
        stream = getattr(event, "stream_id", 0)
        if not stream or isinstance(event, events.WindowUpdated | events.PriorityUpdated):
            return
        if isinstance(event, events.RequestReceived):
            self.asked.append(requests.setdefault(stream, Message()))
        asked = requests[stream]
        asked.take(event)
        if isinstance(event, events.DataReceived):
            spoken.acknowledge_received_data(event.flow_controlled_length, stream)
        self._answer(spoken, stream, asked, event)

    def _answer(self, spoken: H2Connection, stream: int, asked: Message, event: events.Event) -> None:
        path = dict(asked.head).get(":path", "")
        if asked.code is not None:
            return
        if path == "/reset":
            spoken.reset_stream(stream, ODD)
        elif path == "/stream" or (":method", "CONNECT") in asked.head:
            self._piecewise(spoken, stream, event)
        elif asked.ended:
            self._whole(spoken, stream, asked)

    def _piecewise(self, spoken: H2Connection, stream: int, event: events.Event) -> None:
        match event:
            case events.RequestReceived():
                spoken.send_headers(stream, [(":status", "200"), ("name", self.name)])
            case events.DataReceived():
                spoken.send_data(stream, event.data)
            case events.StreamEnded():
                spoken.end_stream(stream)

    def _whole(self, spoken: H2Connection, stream: int, asked: Message) -> None:
        large = [one for one in asked.head if one[0] == "x-large"]
        spoken.send_headers(stream, [(":status", "200"), ("name", self.name), *large])
        spoken.send_data(stream, asked.body, end_stream=not asked.trailers)
        if asked.trailers:
            spoken.send_headers(stream, asked.trailers, end_stream=True)


class Client:
    """One connection; streams are told apart by their numbers."""

    def __init__(self, to: socket.socket) -> None:
        self._socket, self._spoken = to, connection(client=True)
        self._answers: dict[int, Message] = {}
        self._flush()

    def begin(self, path: str, more: Iterable[tuple[str, str]] = ()) -> int:
        """The number of a new stream, on which this is the request's head."""
        named = [(":method", "POST"), (":scheme", "http"), (":authority", "payment"), (":path", path)]
        return self.open([*named, *more])

    def open(self, head: Fields) -> int:
        """The same, for any head."""
        stream = int(self._spoken.get_next_available_stream_id())
        self._answers[stream] = Message()
        self._spoken.send_headers(stream, head)
        self._flush()
        return stream

    def send(self, stream: int, data: bytes, end: bool = False) -> None:
        self._spoken.send_data(stream, data, end_stream=end)
        self._flush()

    def end(self, stream: int, trailers: Fields) -> None:
        self._spoken.send_headers(stream, trailers, end_stream=True)
        self._flush()

    def frames(self, frames: Iterable[Frame]) -> None:
        """Sends what no well-behaved client would, all at once."""
        self._socket.sendall(b"".join(one.serialize() for one in frames))

    def reset(self, stream: int) -> None:
        self._spoken.reset_stream(stream, 0x8)
        self._flush()

    def answer(self, stream: int) -> Message:
        """The answer, when it has ended or was broken off."""
        return self.until(stream, lambda found: found.ended)

    def until(self, stream: int, enough: object) -> Message:
        """The answer as soon as it is enough. ConnectionError when the connection ends before."""
        assert callable(enough)
        while not enough(self._answers[stream]):
            self._hear(self._socket.recv(1 << 16))
        return self._answers[stream]

    def ask(self, path: str, more: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Message:
        stream = self.begin(path, more)
        self.send(stream, body, end=True)
        return self.answer(stream)

    def _hear(self, data: bytes) -> None:
        if not data:
            raise ConnectionError("the other side ended")
        for event in self._spoken.receive_data(data):
            stream = getattr(event, "stream_id", 0)
            if stream in self._answers:
                self._answers[stream].take(event)
            if isinstance(event, events.DataReceived):
                self._spoken.acknowledge_received_data(event.flow_controlled_length, stream)
        self._flush()

    def _flush(self) -> None:
        self._socket.sendall(self._spoken.data_to_send())
