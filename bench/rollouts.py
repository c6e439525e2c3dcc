"""Chains that mix versions: Rollouts that weigh each hop by themselves, and the same change as a release.

`python -m bench rollouts --cluster CONTEXT`, and `make release-demo CLUSTER=CONTEXT`, on a cluster with Argo
Rollouts and Istio. Users ask order -> payment -> logistics without end, and each answer says which version
each hop had. First the three Rollouts get version 2 and go through their steps together; then they are put
back to version 1, and the same change is a release of Laneway. Everything is made for the run and removed
after it. About five minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import rollouts_site
from bench.rollouts_argo import Rollouts
from bench.rollouts_site import SERVICES, Site, Users
from devcluster.dev.cluster import context
from devcluster.dev.cluster.context import ClusterError
from provisioner.cluster import Cluster, connect
from provisioner.release import store
from provisioner.release.model import Phase, Reason
from tests.support.waiting import until

Json = dict[str, Any]
Row = dict[str, Any]

CHAINS = 1000  # counted at each step
NEW = "2"
LATE = 300.0  # seconds
PAUSE = 0.5  # between two looks at what was counted
ENDING = "the end"


@dataclass
class Count:
    """What was counted at one step, or between two."""

    what: str
    chains: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    back: int = 0

    def add(self, taken: Json) -> None:
        self.chains.update(taken["chains"])
        self.failed.update(taken["failed"])
        self.back += int(taken["back"])

    @property
    def total(self) -> int:
        return self.chains.total()

    @property
    def mixed(self) -> int:
        """Chains of more than one version, or of other than all hops."""
        return sum(
            count
            for versions, count in self.chains.items()
            if len(hops := versions.split("-")) != len(SERVICES) or len(set(hops)) > 1
        )

    @property
    def share(self) -> float:
        """Percent of the chains that began with the new version."""
        new = sum(count for versions, count in self.chains.items() if versions.startswith(NEW))
        return 100 * new / max(1, self.total)


@dataclass(frozen=True)
class Told:
    """Both ways of the same change."""

    by_rollouts: tuple[Count, ...]
    by_release: tuple[Count, ...]


Say = Callable[[str], None]


def run(name: str) -> list[Row]:
    """The figures of the cluster that the context of this name leads to."""
    with tempfile.TemporaryDirectory(prefix="laneway-bench-") as folder:
        chosen = context.choose(name, Path(folder))
        return list(rows(measured(chosen, Path(folder), CHAINS, _say)))


def measured(chosen: context.Context, folder: Path, chains: int, say: Say) -> Told:
    """Both ways on one cluster, so many chains counted at each step. Raises ClusterError where the cluster
    lacks what they need."""
    if missing := rollouts_site.lacking(chosen):
        raise ClusterError(f"it has no {missing}: Argo Rollouts and Istio are needed", where=chosen.name)
    site, cluster = Site(chosen, folder), connect(str(chosen.kubeconfig))
    say(f"order -> payment -> logistics in namespace {site.namespace} ...")
    with site.up(), rollouts_site.users(site) as users:
        rollouts = Rollouts(site, cluster)
        say("version 2 by the Rollouts' own steps ...")
        before = tuple(by_rollouts(site, rollouts, users, chains, say))
        say("back to version 1 ...")
        rollouts.give_at_once(site.images["1"])
        until(lambda: _only_old(users.take()), "nobody is given version 2 any more", LATE)
        users.take(new=True)
        say("version 2 by a release ...")
        return Told(before, tuple(by_release(site, cluster, rollouts, users, chains, say)))


def by_rollouts(site: Site, rollouts: Rollouts, users: Users, chains: int, say: Say) -> Iterator[Count]:
    """A count for each step, and one of all that came between them."""
    between = Count("between the steps")
    users.take()
    rollouts.set_image(site.images[NEW])
    for weight in rollouts.steps():
        between.add(users.take())
        yield _said(_counted(f"{weight} %", users, chains), say)
    between.add(users.take())
    yield _said(between, say)


def by_release(
    site: Site, cluster: Cluster, rollouts: Rollouts, users: Users, chains: int, say: Say
) -> Iterator[Count]:
    """The same of a release. The Rollouts have to stay as they are until its end."""
    between, ending = Count("between the steps"), Count(ENDING)
    images = [f"--image={one}={site.images[NEW]}" for one in SERVICES]
    site.laneway("release", "start", site.chain, "--name", "two", *images)
    steps = len(_status(cluster, site)["strategy"]["steps"])
    for number in range(steps):
        status = until(lambda number=number: _waits(cluster, site, number), f"step {number + 1} waits", LATE)
        between.add(users.take())
        if number:
            assert rollouts.images() == {site.images["1"]} and rollouts.phases() == {"Healthy"}
        yield _said(_counted(f"{status['weight']} %", users, chains), say)
        site.laneway("release", "promote", site.chain)
    until(lambda: _status(cluster, site)["phase"] == Phase.SUCCEEDED, "the release has succeeded", LATE)
    ending.add(users.take())
    assert rollouts.images() == {site.images[NEW]} and rollouts.phases() == {"Healthy"}
    yield _said(between, say)
    yield _said(ending, say)
    yield _said(_counted("afterwards", users, chains), say)


def _status(cluster: Cluster, site: Site) -> Json:
    found = store.read(cluster, site.chain, "two")
    assert found is not None, "the release is gone"
    return {"phase": found.phase, "strategy": found.strategy.to_json(), **found.status}


def _waits(cluster: Cluster, site: Site, number: int) -> Json | None:
    """The status of a release that waits at a step for somebody."""
    found = _status(cluster, site)
    assert not Phase(found["phase"]).over, f"the release has ended: {found.get('message')}"
    here = found["phase"] == Phase.PAUSED and found.get("reason") == Reason.MANUAL
    return found if here and found.get("step") == number else None


def _only_old(taken: Json) -> bool:
    time.sleep(PAUSE)
    return set(taken["chains"]) == {"-".join("1" * len(SERVICES))}


def _counted(what: str, users: Users, chains: int) -> Count:
    """So many chains that began after now."""
    users.take()
    found = Count(what)
    while found.total < chains:
        time.sleep(PAUSE)
        found.add(users.take())
    return found


def _said(count: Count, say: Say) -> Count:
    say(
        f"  {count.what:<18} {count.total:>6} chains, {count.share:5.1f} % new, {count.mixed:>5} mixed, "
        f"{count.failed.total()} failed, {count.back} back on the old one"
    )
    return count


def rows(told: Told) -> Iterator[Row]:
    """The figures: those of the release have targets."""
    for one in told.by_rollouts:
        yield _row(f"chains mixed by the Rollouts' own weights, {one.what}", one)
    for one in told.by_release:
        yield {**_row(f"chains mixed during a release, {one.what}", one), "target": 0, "ok": one.mixed == 0}
    for name, counts in (("the Rollouts' own weights", told.by_rollouts), ("a release", told.by_release)):
        failed = sum((one.failed for one in counts), Counter[str]())
        found: Row = {"figure": f"requests that failed, {name}", "value": failed.total(), "unit": "requests"}
        target: Mapping[str, Any] = {"target": 0, "ok": not failed} if name == "a release" else {}
        yield {**found, **target, "of": sum(one.total for one in counts), "outcomes": dict(failed)}
    back = sum(one.back for one in told.by_release)
    yield {"figure": "users given the old version again during a release", "value": back, "unit": "users"} | {
        "target": 0,
        "ok": back == 0,
    }


def _row(figure: str, count: Count) -> Row:
    share = 100 * count.mixed / max(1, count.total)
    return {"figure": figure, "value": share, "unit": "%", "of": count.total, "chains": dict(count.chains)}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
