"""Running the receiver: one process, or several that accept on one socket."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from provisioner import logs
from provisioner.chain import folder as chains
from provisioner.chain.book import ChainBook
from provisioner.errors import ConfigError, QueueError
from provisioner.settings import Settings, load
from webhooks.forges import FORGES
from workers import queue

SHORTEST_SECRET = 16  # characters
DRAIN_SECONDS = 5  # how long running requests may take when the process is told to end

log = structlog.get_logger()

_OPTIONS: dict[str, Any] = {
    "loop": "uvloop",
    "http": "httptools",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": DRAIN_SECONDS,
}


def check_secrets(settings: Settings) -> None:
    """Raises ConfigError unless every forge that is set up has secrets worth the name, and one is set up."""
    if not any(forge.secrets(settings) for forge in FORGES.values()):
        raise ConfigError(
            "no webhook secret is set, so no delivery could be trusted; make one with "
            "`openssl rand -hex 32`, set it here and as the hook's secret at the forge",
            where=" or ".join(forge.variable for forge in FORGES.values()),
        )
    for forge in FORGES.values():
        if any(len(secret) < SHORTEST_SECRET for secret in forge.secrets(settings)):
            raise ConfigError(
                f"a webhook secret is shorter than {SHORTEST_SECRET} characters and could be guessed; "
                "make one with `openssl rand -hex 32`",
                where=forge.variable,
            )


def run(settings: Settings, processes: int, port_file: Path | None) -> None:
    """Serves until SIGTERM or SIGINT, then answers what it has begun.

    `port_file` gets the port, which is of use with LANEWAY_HOOKS_PORT=0. Raises ConfigError, before anything
    is served, for wrong settings and chain files.
    """
    check_secrets(settings)
    chains.load(settings.chains)
    if processes > 1:
        _serve_together(settings, processes, port_file)
        return
    app = application()
    listener = _listen(settings, port_file)
    uvicorn.Server(uvicorn.Config(app, **_OPTIONS)).run(sockets=[listener])


def application() -> Starlette:
    """The application of one process, from its environment."""
    from webhooks.app import Receiver, build  # its metrics look at the environment when they are made

    logs.configure("serve")
    settings = load()
    book, jobs = ChainBook(settings.chains, chains.load), queue.Queue(queue.connect(settings.redis_url))
    _look_for(jobs)
    return build(Receiver(settings, book, jobs))


def _look_for(jobs: queue.Queue) -> None:
    """Says at once where no delivery can be queued. Each is handed back until it can; `/readyz` says why."""
    try:
        jobs.reachable()
    except QueueError as error:
        log.warning("queue.absent", error=str(error))


def _serve_together(settings: Settings, processes: int, port_file: Path | None) -> None:
    """Several processes accept on one socket; their metrics meet in a folder."""
    listener = _listen(settings, port_file)
    config = uvicorn.Config("webhooks.server:application", factory=True, workers=processes, **_OPTIONS)
    with tempfile.TemporaryDirectory(prefix="laneway-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        Multiprocess(config, sockets=[listener]).run()


def _listen(settings: Settings, port_file: Path | None) -> socket.socket:
    """The listening socket; ConfigError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.hooks_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.hooks_host, settings.hooks_port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        where = f"LANEWAY_HOOKS_HOST, LANEWAY_HOOKS_PORT: {settings.hooks_host}:{settings.hooks_port}"
        raise ConfigError(f"cannot listen: {error.strerror}", where=where) from error
    if port_file:
        port_file.write_text(f"{listener.getsockname()[1]}\n")
    return listener
