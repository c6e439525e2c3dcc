"""Reads a repository with mirrors on a disk that is full, then on one that has room again.

    unshare --user --map-root-user --mount python -m tests.support.smalldisk ORIGIN MIRRORS BRANCH

Prints two JSON lines: what the first reading said, and the head that the second one found. It mounts a file
system of its own over MIRRORS, which nobody else sees and which ends with the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from provisioner.chain.grammar import parse
from provisioner.errors import LanewayError
from provisioner.git import Repositories
from provisioner.lane.model import Member
from tests.support.origin import Origin
from tests.support.shop import REPOSITORY, chain_file


def main(path: str, mirrors: str, branch: str) -> None:
    """Both readings."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", mirrors], check=True)
    origin = Origin.__new__(Origin)
    origin.path = Path(path)
    chain = parse(chain_file(origin, "shop", "shop"), "laneway.yaml")
    repositories = Repositories(Path(mirrors), max_bytes=10**9, timeout=20)
    member = Member(REPOSITORY, branch, "0" * 40, 1, datetime.now(UTC))
    try:
        repositories.read(chain, chain.repositories[0], member)
        said = {"error": ""}
    except LanewayError as error:
        said = {"error": str(error), "reason": error.reason, "type": type(error).__name__}
    print(json.dumps(said), flush=True)
    subprocess.run(["mount", "-o", "remount,size=64m", mirrors], check=True)
    print(json.dumps({"head": repositories.read(chain, chain.repositories[0], member).head}))


if __name__ == "__main__":
    main(*sys.argv[1:])
