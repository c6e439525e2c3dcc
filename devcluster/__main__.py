"""`python -m devcluster --state DIR`: serve the Kubernetes API, and run its node, until told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import importlib.util
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvicorn
import uvloop

from devcluster import addresses
from devcluster.api import Api
from devcluster.connections import Protocol
from devcluster.front import Front
from devcluster.store import Store

GC_THRESHOLD = 50_000  # Python's 700 walks tens of thousands of stored objects at every few writes


@dataclass(frozen=True)
class Settings:
    """How one devcluster runs. `port` 0 is a free one; `node` off serves the API alone."""

    state: Path
    host: str = "127.0.0.1"
    port: int = 0
    node: bool = True


def main() -> None:
    settings = _settings()
    settings.state.mkdir(parents=True, exist_ok=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m devcluster", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for the store, kubeconfig and pods")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0 is the last one, or a free one"
    )
    parser.add_argument(
        "--no-node", action="store_true", help="serve the API only: no controllers, no kubelet"
    )
    found = parser.parse_args()
    return Settings(found.state.absolute(), found.host, found.port, not found.no_node)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    network, claim = addresses.claim(str(settings.state))
    gc.disable()  # loading makes no garbage, and collecting while it goes on doubles its time
    store = Store(settings.state / "store.sqlite")
    try:
        api = Api(store, service_network=network)
        gc.freeze()  # what was loaded stays: collections need not walk it
        gc.enable()
        gc.set_threshold(GC_THRESHOLD, 20, 100)
        listener = _listen(settings)
        server = Server(
            uvicorn.Config(Front(api), http=Protocol, log_level="warning", access_log=False, lifespan="off")
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop, store)
        _write_access(settings, f"http://{settings.host}:{listener.getsockname()[1]}")
        async with _node(api, settings):
            await server.serve(sockets=[listener])
        await store.durable()
    finally:
        store.close()
        claim.close()


class Server(uvicorn.Server):
    """uvicorn that leaves signals to us: it would end the process before pods and store are closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self, store: Store) -> None:
        """End every watch, then the server."""
        store.history.close()
        self.should_exit = True


@contextlib.asynccontextmanager
async def _node(api: Api, settings: Settings) -> AsyncIterator[None]:
    """Controllers and kubelet, where they are wanted and installed."""
    if not settings.node or importlib.util.find_spec("devcluster.node") is None:
        yield
        return
    async with importlib.import_module("devcluster.node").run(api, state=settings.state):
        yield


def _listen(settings: Settings) -> socket.socket:
    """A listening socket; with no port asked for, the one of the last run where it is still free, so that
    kubeconfigs stay good.
    """
    ports = [settings.port] if settings.port else [_last_port(settings.state), 0]
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
        except OSError:
            listener.close()
            if port == ports[-1]:
                raise
            continue
        listener.listen(1024)
        return listener
    raise AssertionError("the last port either binds or raises")


def _last_port(state: Path) -> int:
    try:
        return int(orjson.loads((state / "apiserver.json").read_bytes())["port"])
    except (OSError, ValueError, KeyError):
        return 0


def _write_access(settings: Settings, url: str) -> None:
    """kubeconfig and apiserver.json, each whole or not at all."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "devcluster", "cluster": {"server": url}}],
        "users": [{"name": "devcluster", "user": {}}],
        "contexts": [
            {
                "name": "devcluster",
                "context": {"cluster": "devcluster", "user": "devcluster", "namespace": "default"},
            }
        ],
        "current-context": "devcluster",
    }
    _replace(settings.state / "kubeconfig", kubeconfig)
    about = {
        "url": url,
        "port": int(url.rpartition(":")[2]),
        "admin": f"{url}/devcluster",
        "pid": os.getpid(),
    }
    _replace(settings.state / "apiserver.json", about)


def _replace(path: Path, content: object) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    partial.replace(path)


if __name__ == "__main__":
    main()
