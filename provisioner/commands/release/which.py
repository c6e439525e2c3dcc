"""Which release a command means, and what to say where there is no such one."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.cluster import Cluster
from provisioner.commands import asking
from provisioner.errors import InputError
from provisioner.release import store
from provisioner.release.model import Release


def running(cluster: Cluster, chain: str, name: str = "") -> Release:
    """The release of that name, also one that is over; without a name the one that runs. InputError when
    there is none."""
    if name:
        return named(cluster, chain, name)
    found = first(store.every(cluster, chain))
    if found is None:
        raise nothing_runs(cluster, chain)
    return found


def shown(cluster: Cluster, chain: str, name: str = "") -> Release:
    """As `running`, but where none runs the one that ended last."""
    if name:
        return named(cluster, chain, name)
    everything = store.every(cluster, chain)
    found = first(everything) or next(reversed(everything), None)
    if found is None:
        raise nothing_runs(cluster, chain)
    return found


def named(cluster: Cluster, chain: str, name: str) -> Release:
    """The release of that name; InputError that says which come close."""
    found = store.read(cluster, chain, name)
    if found is not None:
        return found
    everything = store.every(cluster)
    if chain not in {one.chain for one in everything}:
        raise asking.unknown("chain with releases", chain, (one.chain for one in everything))
    here = (one.name for one in everything if one.chain == chain)
    raise asking.unknown("release", name, here, f"chain {chain}")


def first(releases: Sequence[Release]) -> Release | None:
    """The one that runs: of those that are not over the oldest, since younger ones wait for it."""
    return next((one for one in releases if not one.phase.over), None)


def nothing_runs(cluster: Cluster, chain: str) -> InputError:
    """What to say where no release of a chain runs: why, as far as one can tell, and what to do."""
    known = store.every(cluster)
    here = [one for one in known if one.chain == chain]
    if not here and known:
        return asking.unknown("chain with releases", chain, (one.chain for one in known))
    last = f"; the last one, {here[-1].name}, is over ({here[-1].phase.value})" if here else ""
    what = f"no release of it runs{last}; start one: laneway release start {chain} --lane LANE"
    return InputError(what, where=f"chain {chain}")
