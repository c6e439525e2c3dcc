"""One hop of the soak's chain: says who it is, then what the next one says. Only the standard library, so
that a copy is up in a tenth of a second and hundreds of them fit into a few minutes.

Asked to end it goes on for a moment, as an application does that lets its connections finish.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CARRIERS = ("x-preview-lane", "baggage")
SECONDS = 5.0  # for the next hop's answer
GRACE = 1.0  # between SIGTERM and the end

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
        code, said = (200, {"hops": [ME]}) if self.path == "/healthz" or not NEXT else self._following()
        body = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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


if __name__ == "__main__":
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    server = Server((os.environ["POD_IP"], 8080), Hop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked.wait()
    threading.Event().wait(GRACE)
