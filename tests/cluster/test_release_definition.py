"""What an API server refuses of a Release that somebody writes by hand."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.cluster import Cluster
from provisioner.errors import PermanentError

Json = dict[str, Any]


def by_hand(name: str) -> Json:
    spec = {"chain": "shop", "name": "v2", "services": [{"name": "orders", "image": "orders:2"}]}
    return {
        "apiVersion": "laneway.dev/v1alpha1",
        "kind": "Release",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_a_release_is_named_after_its_chain_and_itself(cluster: Cluster) -> None:
    cluster.rehearse(by_hand("shop.v2"), force=False)


def test_a_release_by_another_name_which_would_hold_up_all_others_is_refused(cluster: Cluster) -> None:
    with pytest.raises(PermanentError, match=r"named CHAIN\.NAME"):
        cluster.rehearse(by_hand("other"), force=False)
