"""One hop of the soak's chain: says who it is, then what the next one says. Only the standard library, so
that a copy is up in a tenth of a second and hundreds of them fit into a few minutes.

Asked to end it goes on for a moment and asks its clients to close; then it takes no more connections, and
ends when what it was asked is answered, as an application does that ends gracefully.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CARRIERS = ("x-preview-lane", "baggage")
SECONDS = 30.0  # for the next hop's answer; on a busy machine a whole chain may take some
GRACE = 2.0  # between SIGTERM and the last new connection; longer than clients keep an idle one
QUIET = 0.5  # without anything to answer, after which it ends

asked = threading.Event()

NEXT = os.environ.get("NEXT_URL", "")
ME = {
    "service": Path.cwd().name,
    "version": Path("version").read_text().strip(),
    "lane": os.environ.get("LANEWAY_LANE", ""),
}


class Hop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        with work:
            code, said = (200, {"hops": [ME]}) if self.path == "/healthz" or not NEXT else self._following()
            self._answer(code, json.dumps(said).encode())

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        if asked.is_set():
            self.send_header("connection", "close")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _following(self) -> tuple[int, dict[str, Any]]:
        carried = {name: value for name in CARRIERS if (value := self.headers.get(name))}
        connection = http.client.HTTPConnection(urlsplit(NEXT).netloc, timeout=SECONDS)
        try:
            connection.request("GET", "/", headers=carried)
            answer = connection.getresponse()
            body = answer.read()
            if answer.getheader("content-type") != "application/json":  # no hop's: the router's own words
                return 502, {"hops": [ME], "error": f"{NEXT}: {answer.status} {body.decode()[:200]}"}
            said = json.loads(body)
            return answer.status, {**said, "hops": [ME, *said["hops"]]}
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            return 502, {"hops": [ME], "error": f"{NEXT}: {type(error).__name__}: {error}"}
        finally:
            connection.close()

    def log_message(self, *_: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def leave(self) -> None:
        """Takes in who is connected already, and nobody else."""
        self.shutdown()
        while select.select([self], [], [], 0)[0]:
            self.handle_request()
        self.server_close()


class Work:
    """Counts what is being answered."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0

    def __enter__(self) -> None:
        self._count(1)

    def __exit__(self, *_: object) -> None:
        self._count(-1)

    def end(self, quiet: float) -> None:
        """Returns when nothing is being answered, and nothing was for so many seconds."""
        with self._changed:
            while self._changed.wait_for(lambda: not self._running) and self._changed.wait(quiet):
                pass

    def _count(self, change: int) -> None:
        with self._changed:
            self._running += change
            self._changed.notify_all()


work = Work()

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    server = Server((os.environ["POD_IP"], 8080), Hop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked.wait()
    threading.Event().wait(GRACE)
    server.leave()
    work.end(QUIET)
