"""Bodies on their way to a copy that has just died: to the baseline whole, or to nobody."""

from __future__ import annotations

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.routing import address, endpoint_slice, lane, wait_until
from tests.support.wire import END, Wire, client, exactly, fields, silence, until

KEPT = 1 << 20  # bytes of a body that the router keeps in case they have to be sent again
LANES = {"that refuses connections": b"pr-4", "that says nothing": b"pr-5"}


async def summing(reader, writer):
    """Answers with the hash of the body."""
    while True:
        length = int(dict(fields(await reader.readuntil(END)))["content-length"])
        said = hashlib.sha256(await reader.readexactly(length)).hexdigest().encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said) + said)


@contextmanager
def silent():
    """A socket that neither takes connections before it is told to nor refuses them: some stand in line."""
    with socket.socket() as listening:
        listening.bind((address(), 8080))
        listening.listen(0)
        line = [socket.socket() for _ in range(3)]
        for one in line:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening
        for one in line:
            one.close()


@pytest.fixture
def dead(world):
    """A router whose lanes' copies died a moment ago, of which nobody has told it yet."""
    baseline, refusing = Wire(world.thread, summing), address()
    with silent() as listening:
        mute = listening.getsockname()[0]
        world.store.put(endpoint_slice("payment", [baseline.address]))
        world.store.put(lane("pr-4"), endpoint_slice("payment", [refusing], "pr-4"))
        world.store.put(lane("pr-5"), endpoint_slice("payment", [mute], "pr-5"))
        world.start()
        known = {refusing, mute}
        wait_until(lambda: all(one in world.envoy.admin("/clusters") for one in known), what="the copies")
        yield world
    baseline.close()


def post(world, name, body):
    """Status, who answered by the router's word, and the answer."""
    head = b"POST / HTTP/1.1\r\nhost: payment\r\nx-preview-lane: %s\r\ncontent-length: %d\r\n\r\n"
    with client(world.envoy.address) as connection:
        sending = threading.Thread(target=sent, args=(connection, head % (name, len(body)) + body))
        sending.start()
        answer = until(connection)
        found = {key.lower(): value for key, value in fields(answer)}
        text = exactly(connection, int(found["content-length"]))
        sending.join(60)
    return int(answer.split()[1]), found["x-preview-lane-served"], text.decode()


def sent(connection, data):
    """Sends what the other side takes; it may have answered and ended before."""
    try:
        connection.sendall(data)
    except ConnectionError:
        return


@pytest.mark.parametrize("name", LANES.values(), ids=LANES)
@pytest.mark.parametrize("size", [0, 1000, 900_000])
def test_an_upload_to_a_copy_goes_to_the_baseline_and_is_whole(dead, name, size):
    body = bytes(size)
    assert post(dead, name, body) == (200, "payment=baseline", hashlib.sha256(body).hexdigest())


def test_a_larger_one_is_not_kept_and_is_answered_by_nobody(dead):
    status, served, _ = post(dead, b"pr-5", bytes(5 * KEPT))
    assert status in (503, 507)
    assert served == "payment=none"


def test_where_no_connection_is_made_it_may_come_whole_or_not_at_all(dead):
    body = bytes(5 * KEPT)
    whole = (200, "payment=baseline", hashlib.sha256(body).hexdigest())
    found = post(dead, b"pr-4", body)
    assert found == whole or (found[0] in (503, 507) and found[1] == "payment=none")


def test_all_that_wait_for_a_copy_at_once_go_to_the_baseline(dead):
    with ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda _: post(dead, b"pr-5", b"1"), range(100)))
    assert {one[:2] for one in found} == {(200, "payment=baseline")}


@pytest.mark.proof
def test_a_baseline_that_is_long_in_taking_a_connection_gets_its_request(world):
    """A kernel asks again after 1, 3 and 7 s; Envoy would give up after 5 unless told otherwise."""
    with silent() as listening:
        world.store.put(endpoint_slice("payment", [listening.getsockname()[0]]))
        world.start()
        with client(world.envoy.address) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nhost: payment\r\n\r\n")
            silence(6)
            assert served_in_time(listening)
            assert until(connection).startswith(b"HTTP/1.1 204 ")


def served_in_time(listening):
    """Takes those that stand in line until one of them asks, and answers it."""
    listening.settimeout(20)
    while True:
        taken, _ = listening.accept()
        taken.settimeout(3)
        with taken:
            try:
                if until(taken):
                    taken.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    return True
            except TimeoutError:
                continue  # one of those that only stand there
