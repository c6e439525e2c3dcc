"""The README's commands work as they stand, in order, on a fresh system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from devcluster.dev import control, processes
from devcluster.dev.state import State

ROOT = Path(__file__).parents[3]


def shell_blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_tour_works_as_it_stands(tmp_path: Path) -> None:
    """In a folder that has only the installation: what the tour reads lies in the state that it makes."""
    blocks = shell_blocks((ROOT / "README.md").read_text())
    (tmp_path / ".venv").symlink_to(processes.BIN.parent)
    script = "set -euo pipefail\n" + "\n".join(blocks)
    try:
        done = subprocess.run(
            ["bash", "-c", script], check=False, capture_output=True, text=True, cwd=tmp_path, env=os.environ
        )
    finally:
        control.down(State(tmp_path / ".laneway"))
        shutil.rmtree(tmp_path / ".laneway", ignore_errors=True)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert '"lane":"my-change"' in done.stdout
    assert len(blocks) >= 4
