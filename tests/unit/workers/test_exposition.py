"""What a process says of its own health."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import ConfigError, QueueError
from provisioner.settings import Settings
from tests.support import web
from workers import metrics
from workers.exposition import Health, Pulse, serve


def fine() -> None:
    return None


def gone() -> None:
    raise QueueError("cannot reach Redis: connection refused", where="LANEWAY_REDIS_URL")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def address(health: Health, folder: Path) -> str:
    port_file = folder / "port"
    serve(Settings(metrics_host="127.0.0.1", metrics_port=0), port_file, health)
    return f"http://127.0.0.1:{port_file.read_text().strip()}"


def test_a_process_with_all_it_needs_is_ready(tmp_path: Path) -> None:
    base = address(Health(Pulse(60), {"redis": fine, "cluster": fine}), tmp_path)
    answer = web.get(f"{base}/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "problems": {}})


def test_what_is_missing_is_named_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    base = address(Health(Pulse(60), {"redis": gone, "cluster": fine}), tmp_path)
    answer = web.get(f"{base}/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == {"redis": "LANEWAY_REDIS_URL: cannot reach Redis: connection refused"}


def test_a_process_without_its_dependencies_is_alive(tmp_path: Path) -> None:
    base = address(Health(Pulse(60), {"redis": gone}), tmp_path)
    assert web.get(f"{base}/livez").json() == {"alive": True, "problems": {}}


def test_a_process_whose_loop_stands_still_is_not(tmp_path: Path) -> None:
    clock = Clock()
    health = Health(Pulse(60, clock), {})
    base = address(health, tmp_path)
    clock.now = 61
    answer = web.get(f"{base}/livez")
    assert answer.status_code == 503
    assert answer.json()["problems"] == {"loop": "its loop has not gone round for 61 s"}
    health.pulse.beat()
    assert web.get(f"{base}/livez").status_code == 200


def test_metrics_are_served_and_other_paths_say_what_there_is(tmp_path: Path) -> None:
    base = address(Health(Pulse(60), {}), tmp_path)
    metrics.show_queue(3, 1.5)
    assert "laneway_jobs_oldest_seconds 1.5" in web.get(f"{base}/metrics").text
    assert web.get(f"{base}/other").status_code == 404


def test_an_address_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    taken = int(address(Health(Pulse(60), {}), tmp_path).rpartition(":")[2])
    settings = Settings(metrics_host="127.0.0.1", metrics_port=taken)
    with pytest.raises(ConfigError, match=r"LANEWAY_METRICS_PORT: 127\.0\.0\.1"):
        serve(settings, None, Health(Pulse(60), {}))
