"""An address at which something else than Redis answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from provisioner.errors import QueueError
from workers import queue
from workers.queue import Queue

ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def web_server() -> Iterator[str]:
    """Takes every request for a bad one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener,), daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _answer(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the test is over
        with connection:
            connection.recv(4096)
            connection.sendall(ANSWER)


def test_the_setting_is_named_and_what_was_met_there(web_server: str) -> None:
    client = queue.connect(web_server)
    jobs = Queue(client)
    for question in (jobs.reachable, lambda: jobs.put(queue.deliver({}, "delivery", "shop"))):
        with pytest.raises(
            QueueError, match=r"LANEWAY_REDIS_URL: .* speaks no Redis protocol .*HTTP"
        ) as found:
            question()
        assert found.value.retry_after == 5
    client.close()
