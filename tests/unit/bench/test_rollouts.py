"""The example with Argo Rollouts, and what is made of what its users saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import rollouts
from bench.rollouts import Count, Told
from bench.rollouts_load import Tally, User, note, reason
from bench.rollouts_site import EXAMPLE, PORT, SERVICES, Site
from devcluster.dev.cluster.context import Context
from provisioner.chain.grammar import parse
from provisioner.copies import rollouts as copied

Json = dict[str, Any]


@pytest.fixture
def objects(tmp_path: Path) -> list[Json]:
    """The manifests as they are put into a cluster without sidecars."""
    site = Site(Context("any", tmp_path / "kubeconfig"), tmp_path, port=4567)
    site.aliases = ({"ip": "10.0.0.1", "hostnames": list(SERVICES)},)
    site.__dict__["images"] = {"1": "shop:one", "2": "shop:two"}
    return site.objects()


def of(kind: str, objects: list[Json]) -> list[Json]:
    return [one for one in objects if one["kind"] == kind]


def test_the_example_is_a_chain_of_rollouts_with_the_steps_of_its_release(objects: list[Json]) -> None:
    text = (EXAMPLE / "laneway.yaml").read_text()
    chain = parse(text, "laneway.yaml")
    assert [str(one.workload) for one in chain.services] == [f"Rollout/{one}" for one in SERVICES]
    for one in of("Rollout", objects):
        steps = one["spec"]["strategy"]["canary"]["steps"]
        assert [step["setWeight"] for step in steps[::2]] == [step.weight for step in chain.release.steps]
        assert steps[1::2] == [{"pause": {}}] * len(chain.release.steps)
        assert copied.unnamed_routes(one) == ""


def test_services_call_each_other_at_the_port_of_the_one_sidecar(objects: list[Json]) -> None:
    assert {port["port"] for one in of("Service", objects) for port in one["spec"]["ports"]} == {4567}
    pods = [one["spec"]["template"]["spec"] for one in of("Rollout", objects)]
    urls = [env["value"] for pod in pods for env in pod["containers"][0]["env"] if env["name"] == "NEXT_URL"]
    assert urls == ["http://payment:4567/", "http://logistics:4567/"]
    assert f":{PORT}/" not in json.dumps(urls)
    assert {pod["containers"][0]["image"] for pod in pods} == {"shop:one"}
    assert all(pod["hostAliases"][0]["ip"] == "10.0.0.1" for pod in pods)


def counted(**chains: int) -> Count:
    found = Count("10 %")
    chains = {name.strip("v").replace("_", "-"): count for name, count in chains.items()}
    found.add({"chains": chains, "failed": {}, "back": 0})
    return found


def test_a_chain_that_met_two_versions_is_mixed_and_so_is_one_that_lacks_a_hop() -> None:
    found = counted(v1_1_1=70, v2_2_2=10, v1_2_1=15, v2_2_1=4, v1_1=1)
    assert (found.total, found.mixed, found.share) == (100, 20, 14.0)


def test_a_release_that_mixes_or_fails_misses_its_target() -> None:
    bad = counted(v1_1_1=9, v1_2_1=1)
    bad.failed["503"] = 2
    bad.back = 1
    rows = list(rollouts.rows(Told((counted(v1_2_1=5),), (bad,))))
    assert [row["ok"] for row in rows if "ok" in row] == [False, False, False]
    assert [row["value"] for row in rows] == [100.0, 10.0, 0, 2, 1]


def test_one_that_does_neither_holds_it() -> None:
    rows = list(rollouts.rows(Told((), (counted(v1_1_1=9, v2_2_2=1),))))
    assert all(row["ok"] for row in rows if "ok" in row)


def test_what_failed_is_told_in_the_words_of_the_hop_that_saw_it() -> None:
    assert reason(b'{"hops": [], "error": "payment: ReadError"}') == "payment: ReadError"
    assert reason(b"no healthy upstream") == "no healthy upstream"


def test_a_user_who_is_given_the_old_version_again_is_counted() -> None:
    tally, user = Tally(), User()
    for versions in (["1", "1"], ["2", "1"], ["2", "2"], ["1", "1"]):
        note(user, versions, tally, tally.generation)
    assert json.loads(tally.take()) == {
        "chains": {"1-1": 2, "2-1": 1, "2-2": 1},
        "failed": {},
        "back": 1,
    }
    assert json.loads(tally.take()) == {"chains": {}, "failed": {}, "back": 0}


def test_what_users_of_before_were_still_answered_does_not_count() -> None:
    tally, user = Tally(), User(version="2")
    before = tally.generation
    tally.take(new=True)
    note(user, ["1", "1"], tally, before)
    assert json.loads(tally.take())["back"] == 0


def test_the_manifests_say_nothing_of_a_namespace() -> None:
    for file in sorted((EXAMPLE / "manifests").glob("*.yaml")):
        for one in yaml.safe_load_all(file.read_text()):
            assert "namespace" not in one["metadata"]
