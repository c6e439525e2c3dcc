"""Programs as processes of their own, `laneway` commands above all, ended by their own id."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import until

LANEWAY = (str(Path(sys.executable).parent / "laneway"),)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This environment with no settings of Laneway but these."""
    rest = {key: value for key, value in os.environ.items() if not key.startswith("LANEWAY_")}
    return rest | dict(settings)


@contextmanager
def program(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A running process, which has ended when the block has. `options` are those of `Popen`."""
    running = subprocess.Popen(command, **options)
    try:
        yield running
    finally:
        end(running)


@contextmanager
def process(
    command: Sequence[str], settings: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these settings, whose output goes to a file."""
    with (
        log.open("ab") as out,
        program(command, env=environment(settings), stdout=out, stderr=out) as running,
    ):
        yield running


def end(running: subprocess.Popen[bytes]) -> None:
    """Ends a process gently, or by force when that takes long; nothing happens when it has ended."""
    running.terminate()
    try:
        running.wait(timeout=30)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def refusal(command: Sequence[str], settings: Mapping[str, str]) -> str:
    """What a command says that ends with 1 and a clear message, and has printed nothing."""
    done = subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@contextmanager
def serving(settings: Mapping[str, str], folder: Path, *options: str) -> Iterator[str]:
    """`laneway serve`; its base URL once it listens."""
    port_file, log = folder / "serve.port", folder / "serve.log"
    port_file.unlink(missing_ok=True)
    command = [*LANEWAY, "serve", "--port-file", str(port_file), *options]
    chosen = {"LANEWAY_HOOKS_PORT": "0", "LANEWAY_HOOKS_HOST": "127.0.0.1", **settings}
    with process(command, chosen, log) as running:
        until(lambda: _written(port_file) or running.poll() is not None, "laneway serve listens")
        assert running.poll() is None, log.read_text()
        base = f"http://127.0.0.1:{port_file.read_text().strip()}"
        httpx.get(f"{base}/livez", timeout=60).raise_for_status()
        yield base


def _written(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


@contextmanager
def attended(settings: Mapping[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """A worker and a beat run within the block; gives the port of each one's metrics, by its name."""
    measured = {**settings, "LANEWAY_METRICS_HOST": "127.0.0.1", "LANEWAY_METRICS_PORT": "0"}
    ports = {}
    with ExitStack() as stack:
        for name in ("worker", "beat"):
            port = folder / f"{name}.port"
            command = [*LANEWAY, name, "--metrics-port-file", str(port)]
            stack.enter_context(process(command, measured, folder / f"{name}.log"))
            until(lambda port=port: _written(port), f"{name} runs")
            ports[name] = port.read_text().strip()
        yield ports
