"""One hop of the chain that a bad release is tried on, by the standard library alone: asks the next one, if
there is one, and says of which version the last one is. The part of its requests that the file `failing`
names is answered 500."""

from __future__ import annotations

import http.client
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CARRIERS = ("x-preview-lane", "baggage")
NEXT = os.environ.get("NEXT_URL", "")
VERSION = Path("version").read_text().strip()
FAILING = float(Path("failing").read_text())


class Owed:
    """Which requests fail: the same part of them at any time."""

    def __init__(self) -> None:
        self._lock, self._owed = threading.Lock(), 0.0

    def fails(self) -> bool:
        with self._lock:
            self._owed += FAILING
            due = self._owed >= 1
            self._owed -= due
            return due


owed = Owed()


class Hop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        code, version = (200, VERSION) if self.path == "/healthz" else self._said()
        body = json.dumps({"version": version}).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _said(self) -> tuple[int, str]:
        if not NEXT:
            return (500 if owed.fails() else 200), VERSION
        carried = {name: value for name in CARRIERS if (value := self.headers.get(name))}
        connection = http.client.HTTPConnection(urlsplit(NEXT).netloc, timeout=10)
        try:
            connection.request("GET", "/", headers=carried)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())["version"]
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            return 502, f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def log_message(self, *_: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    Server((os.environ["POD_IP"], 8080), Hop).serve_forever()
