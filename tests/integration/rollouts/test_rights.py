"""What the chart grants on Rollouts, where a chain names one, is what a release and a watch of them need."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.dev import accounts
from provisioner.cluster import Cluster, connect
from provisioner.errors import PermanentError
from provisioner.release.model import Phase
from provisioner.settings import Settings
from tests.support.devcluster import Devcluster
from tests.support.releaseshop import NEW
from tests.support.rolloutshop import KIND, RolloutShop

KUBECTL = Path(sys.executable).with_name("kubectl")
SYSTEM = str(Settings.model_fields["namespace"].default)


class Limited(RolloutShop):
    """A shop where people are administrators, and what Laneway does is done under an account."""

    people: Cluster

    @property
    def cluster(self) -> Cluster:
        return self.people


def account(dev: Devcluster, shop: RolloutShop, name: str, folder: Path) -> Cluster:
    """A client of that process's account, which has what the chart grants for the shop's chain."""
    namespace: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    granted = accounts.roles(accounts.rights(), accounts.of_chains(SYSTEM, [shop.chain]))
    command = [str(KUBECTL), "--kubeconfig", str(dev.kubeconfig), "apply", "--filename", "-"]
    text = yaml.safe_dump_all([namespace, *granted])
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=60)
    path = folder / f"{name}.kubeconfig"
    path.write_text(accounts.kubeconfig(dev.kubeconfig, name, SYSTEM))
    return connect(str(path))


def test_a_worker_may_do_all_that_a_release_takes(dev: Devcluster, shop: RolloutShop, tmp_path: Path) -> None:
    worker = account(dev, shop, "worker", tmp_path)
    limited = Limited(**{one.name: getattr(shop, one.name) for one in fields(shop)})
    limited.people = shop.cluster
    limited.shop = replace(shop.shop, world=replace(shop.shop.world, cluster=worker))
    limited.begin()
    assert limited.until(lambda one: one.phase.over and not one.held).phase is Phase.SUCCEEDED
    assert limited.templates() == NEW


def test_beat_and_sweep_may_look_and_no_more(dev: Devcluster, shop: RolloutShop, tmp_path: Path) -> None:
    for name in ("beat", "sweep"):
        one = account(dev, shop, name, tmp_path)
        found, since = one.snapshot(KIND, shop.namespace)
        assert len(found) == 2
        with pytest.raises(PermanentError, match="cannot patch"):
            one.merge(KIND, "orders", {"spec": {"paused": True}}, shop.namespace)
        if name == "beat":
            shop.hold("orders", replicas=3)
            assert next(one.watch(KIND, shop.namespace, since=since))[0] == "MODIFIED"


def test_nothing_is_granted_on_rollouts_for_a_chain_that_has_none(
    dev: Devcluster, shop: RolloutShop, tmp_path: Path
) -> None:
    plain = [replace(one, workload=replace(one.workload, kind="Deployment")) for one in shop.chain.services]
    shop.chain = replace(shop.chain, services=tuple(plain))
    worker = account(dev, shop, "worker", tmp_path)
    with pytest.raises(PermanentError, match="cannot list"):
        worker.list(KIND, shop.namespace)
