"""What one embedded system was asked to be: its chain, its repository, its ports and its secret.

Written once by the first `up` into DIR/system.json; the supervisor, `env` and the demo read it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster.dev import ports
from devcluster.dev.processes import PORTS
from devcluster.dev.state import State, read_json, write_json
from provisioner.chain import grammar as chainfile
from provisioner.chain.model import Chain

Json = dict[str, Any]

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"


@dataclass(frozen=True)
class System:
    """`chain`: the chain's file; `manifests`: a folder of Kubernetes objects; `source`: the folder that the
    repository's first commit holds; `forge`: whether a stand-in forge tells of every push."""

    chain: str
    manifests: str
    source: str
    secret: str
    ports: Mapping[str, int]
    forge: bool = False


@dataclass(frozen=True)
class Asked:
    """What `up` was asked for; None: as before, or the example."""

    chain: Path | None = None
    manifests: Path | None = None
    source: Path | None = None
    forge: bool = False


def settle(state: State, asked: Asked) -> System:
    """The system that was asked for, with what an earlier run chose, written down.

    Raises ValueError when a file or a folder that was named is not there.
    """
    before = read_json(state.settings)
    chain = _given(asked.chain, before.get("chain"), EXAMPLE / "laneway.yaml", "--chain")
    system = System(
        chain=chain,
        manifests=_given(
            asked.manifests, before.get("manifests"), Path(chain).parent / "manifests", "--manifests"
        ),
        source=_given(asked.source, before.get("source"), Path(chain).parent, "--source"),
        secret=before.get("secret") or secrets.token_hex(20),
        ports=ports.settle(PORTS, before.get("ports", {})),
        forge=asked.forge,
    )
    write_json(state.settings, asdict(system))
    state.settings.chmod(0o600)
    if not state.notify_key.exists():
        state.notify_key.touch(0o600)
        state.notify_key.write_text(secrets.token_hex(32) + "\n")
    return system


def load(state: State) -> System:
    """The system as `settle` wrote it. Raises ValueError when there is none in this folder."""
    data = read_json(state.settings)
    if not data:
        raise ValueError(f"{state.root} holds no system. Make one with: laneway dev up --state {state.root}")
    return System(**data)


def repository(state: State, chain: Chain) -> Path:
    """Where the chain's repository lies."""
    return state.repositories / f"{chain.name}.git"


def chain_file(state: State, system: System) -> Chain:
    """The chain as this system runs it: the file that was asked for, with its first repository's url led to
    the local one, and preview hosts below `localhost` to the port where they open. Written into DIR/chains,
    where Laneway reads it.

    Raises ConfigError when the file is wrong.
    """
    text = Path(system.chain).read_text()
    original = chainfile.parse(text, system.chain)
    data: Json = yaml.safe_load(text)
    first = data["repositories"][0]
    first["name"] = original.repositories[0].name
    first["url"] = str(repository(state, original))
    if is_local(original.entry.domain):
        data["entry"]["url"] = f"http://{original.entry.host}:{system.ports['preview']}"
    state.chains.mkdir(parents=True, exist_ok=True)
    target = state.chains / f"{original.name}.yaml"
    target.write_text(yaml.safe_dump(data, sort_keys=False))
    return chainfile.parse(target.read_text(), str(target))


def is_local(domain: str) -> bool:
    """Whether browsers and curl look for a domain on their own machine (RFC 6761)."""
    return domain == "localhost" or domain.endswith(".localhost")


def _given(asked: Path | None, before: str | None, otherwise: Path, option: str) -> str:
    path = (asked or Path(before or otherwise)).resolve()
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder; name the one to use with {option}")
    return str(path)
