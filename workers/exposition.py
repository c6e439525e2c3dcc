"""The HTTP port of a process that serves nothing else: /metrics, /livez and /readyz.

/livez answers 200 as long as the process does its own work; what it answers otherwise is a reason to start it
anew. /readyz names each dependency that is missing and what is wrong with it; a process that waits for one is
to be left alone, since it goes on by itself. A process may answer other paths, too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from provisioner.errors import ConfigError, LanewayError
from provisioner.settings import Settings

Json = dict[str, Any]
Check = Callable[[], None]  # raises LanewayError where the dependency is missing
# status and body of the answer to a path with its query; None: nobody answers there
Page = Callable[[str], tuple[int, Json] | None]


@dataclass
class Pulse:
    """That a loop goes round: `beat` in each turn. It counts as stopped after `seconds` without."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def beat(self) -> None:
        self._last = self.clock()

    def problem(self) -> str:
        """What is wrong; empty when nothing is."""
        silent = self.clock() - self._last
        return f"its loop has not gone round for {silent:.0f} s" if silent > self.seconds else ""


@dataclass(frozen=True)
class Health:
    """What a process needs, by name, and the loop by which it lives."""

    pulse: Pulse
    needs: Mapping[str, Check]

    def alive(self) -> dict[str, str]:
        """What is wrong with the process itself."""
        problem = self.pulse.problem()
        return {"loop": problem} if problem else {}

    def missing(self) -> dict[str, str]:
        """What is wrong with what it needs, by name."""
        return {name: problem for name, check in self.needs.items() if (problem := _problem(check))}


def no_page(path: str) -> None:
    """Of a process that answers no other path."""


def serve(settings: Settings, port_file: Path | None, health: Health, page: Page = no_page) -> None:
    """Serves on the port of the settings; with a port file and port 0 on a free one, written there. Without
    either on none. ConfigError when the address cannot be had."""
    if settings.metrics_port == 0 and port_file is None:
        return
    try:
        server = _Server((settings.metrics_host, settings.metrics_port), health, page)
    except OSError as error:
        where = f"LANEWAY_METRICS_HOST, LANEWAY_METRICS_PORT: {settings.metrics_host}:{settings.metrics_port}"
        raise ConfigError(f"cannot listen: {error.strerror}", where=where) from error
    threading.Thread(target=server.serve_forever, name="exposition", daemon=True).start()
    if port_file:
        port_file.write_text(f"{server.server_port}\n")


def _problem(check: Check) -> str:
    try:
        check()
    except LanewayError as error:
        return str(error)
    return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], health: Health, page: Page) -> None:
        super().__init__(address, _Handler)
        self.health, self.page = health, page


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            case "/livez":
                self._say("alive", self.server.health.alive())
            case "/readyz":
                self._say("ready", self.server.health.missing())
            case _:
                self._other()

    def _other(self) -> None:
        found = self.server.page(self.path)
        if found is None:
            self._answer(404, "text/plain", b"there are /metrics, /livez and /readyz\n")
            return
        status, body = found
        self._answer(status, "application/json", json.dumps(body).encode())

    def _say(self, word: str, problems: Mapping[str, str]) -> None:
        body = json.dumps({word: not problems, "problems": problems}).encode()
        self._answer(503 if problems else 200, "application/json", body)

    def _answer(self, status: int, content: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes and scrapes are no news."""
