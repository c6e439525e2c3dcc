"""The metrics' own HTTP port of a process that serves nothing else."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import start_http_server

from provisioner.errors import ConfigError
from provisioner.settings import Settings


def serve(settings: Settings, port_file: Path | None) -> None:
    """Serves /metrics on the port of the settings; with a port file and port 0 on a free one, written there.
    Without either on none. ConfigError when the address cannot be had."""
    if settings.metrics_port == 0 and port_file is None:
        return
    try:
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        where = f"LANEWAY_METRICS_HOST, LANEWAY_METRICS_PORT: {settings.metrics_host}:{settings.metrics_port}"
        raise ConfigError(f"cannot listen: {error.strerror}", where=where) from error
    if port_file:
        port_file.write_text(f"{server.server_port}\n")
