"""Mirrors on a disk that is really full: said, and outlasted by whoever asks again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.origin import Origin

OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount() -> bool:
    """Whether this kernel lets people have file systems of their own."""
    return (
        bool(shutil.which("unshare")) and subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode == 0
    )


@pytest.mark.skipif(
    not may_mount(), reason="this kernel gives nobody a mount namespace: no disk can be filled"
)
def test_a_full_disk_is_named_and_the_next_reading_clears_what_the_failed_one_left(tmp_path: Path) -> None:
    origin, mirrors = Origin(tmp_path / "shop.git"), tmp_path / "mirrors"
    mirrors.mkdir()
    origin.commit("main", {"payment/app.py": "1"})
    head = origin.branch("pay", {"payment/app.py": "2"})

    command = [sys.executable, "-m", "tests.support.smalldisk", str(origin.path), str(mirrors), "pay"]
    done = subprocess.run([*OWN_MOUNTS, *command], check=True, capture_output=True, text=True, timeout=60)
    full, roomy = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))

    assert full["reason"] == "MirrorDamaged"
    assert "No space left on device" in full["error"]
    assert roomy == {"head": head}
