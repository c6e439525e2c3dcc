"""What the commands ask for by name, and what to say when there is no such thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from provisioner import cluster, forges, settings
from provisioner.chain import folder as chains
from provisioner.chain.model import Chain
from provisioner.cluster import Cluster
from provisioner.errors import InputError
from provisioner.git import Repositories
from provisioner.lane import store as lanes
from provisioner.lane.model import Lane
from provisioner.settings import Settings
from provisioner.world import World


def connect() -> Cluster:
    """The cluster of the settings. ConfigError when there is none."""
    return cluster.connect(settings.load().kubeconfig)


def world(found: Settings) -> World:
    """The world in which a command acts."""
    repositories = Repositories(found.mirrors, max_bytes=found.mirror_bytes, timeout=found.git_seconds)
    reached = cluster.connect(found.kubeconfig)
    return World(reached, repositories, found, lambda: datetime.now(UTC), forges.connect(found))


def chain(found: Settings, name: str) -> Chain:
    """The chain that a file of the settings describes. InputError, or ConfigError for wrong files."""
    known = {one.name: one for one in chains.load(found.chains)}
    if name not in known:
        raise unknown("chain", name, known)
    return known[name]


def lane(reached: Cluster, chain_name: str, name: str) -> Lane:
    """The lane; a name that none has is an InputError that says which come close."""
    found = lanes.read(reached, chain_name, name)
    if found is not None:
        return found
    everything = all_lanes(reached)
    if chain_name not in {one.chain for one in everything}:
        raise unknown("chain with lanes", chain_name, (one.chain for one in everything))
    here = (one.name for one in everything if one.chain == chain_name)
    raise unknown("lane", name, here, f"chain {chain_name}")


def all_lanes(reached: Cluster) -> list[Lane]:
    """Every lane, by chain and name, without what nobody asks for in a list."""
    found = (_listed(Lane.from_object(one)) for one in reached.pages("Lane"))
    return sorted(found, key=lambda one: (one.chain, one.name))


def unknown(what: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that nothing has."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        hint = f"did you mean {' or '.join(close)}?"
    elif names:
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        hint = f"there is {', '.join(names[:10])}{more}"
    else:
        hint = "there is none"
    return InputError(f"no {what} is called {name[:80]!r}; {hint}", where=where)


def _listed(one: Lane) -> Lane:
    status = {key: value for key, value in one.status.items() if key != "timeline"}
    return replace(one, status=status)
