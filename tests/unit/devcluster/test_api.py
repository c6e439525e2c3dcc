"""The in-process API on a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster import history
from devcluster.api import Api, ApiError
from devcluster.store import Store


@pytest.fixture
def api() -> Iterator[Api]:
    store = Store()
    yield Api(store)
    store.close()


def config(name: str, **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **meta}}


def owner_of(obj: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
    }


def test_what_is_returned_is_the_callers_own(api: Api) -> None:
    made = api.create("configmaps", "default", config("a"))
    made["data"] = {"x": "1"}
    assert "data" not in api.get("configmaps", "default", "a")


def test_a_stale_update_is_refused(api: Api) -> None:
    first = api.create("configmaps", "default", config("a"))
    api.update("configmaps", "default", "a", {**first, "data": {"x": "1"}})
    with pytest.raises(ApiError) as refused:
        api.update("configmaps", "default", "a", {**first, "data": {"x": "2"}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")


def test_a_pod_on_a_node_waits_for_its_kubelet(api: Api) -> None:
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]}
    api.create("pods", "default", {**config("p"), "spec": spec})
    marked = api.delete("pods", "default", "p")
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    assert api.delete("pods", "default", "p", grace=5)["metadata"]["deletionGracePeriodSeconds"] == 5
    api.delete("pods", "default", "p", grace=0)
    assert api.list("pods") == []


def test_many_dependents_do_not_hold_up_the_loop(api: Api) -> None:
    async def story() -> int:
        owner = api.create("configmaps", "default", config("owner"))
        for number in range(1_000):
            api.create("configmaps", "default", config(f"c{number}", ownerReferences=[owner_of(owner)]))
        api.delete("configmaps", "default", "owner")
        turns = 0
        while api.list("configmaps"):
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(story()) >= 10


def test_without_a_loop_collection_is_on_request(api: Api) -> None:
    owner = api.create("configmaps", "default", config("owner"))
    api.create("configmaps", "default", config("child", ownerReferences=[owner_of(owner)]))
    api.delete("configmaps", "default", "owner")
    api.collector.drain()
    assert api.list("configmaps") == []


def test_an_owner_in_another_namespace_owns_nothing(api: Api) -> None:
    owner = api.create("configmaps", "kube-system", config("owner"))
    api.create("configmaps", "default", config("child", ownerReferences=[owner_of(owner)]))
    api.collector.drain()
    assert api.list("configmaps", "default") == []


def test_a_watch_tells_what_is_there_and_what_follows(api: Api) -> None:
    async def story() -> list[tuple[str, str]]:
        api.create("configmaps", "default", config("a", labels={"x": "1"}))
        watch = api.watch("configmaps", "default", labels="x=1")
        api.create("configmaps", "default", config("b", labels={"x": "1"}))
        api.patch("configmaps", "default", "a", {"metadata": {"labels": {"x": "2"}}})
        seen = [await anext(watch) for _ in range(3)]
        watch.close()
        return [(kind, obj["metadata"]["name"]) for kind, obj in seen]

    assert asyncio.run(story()) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_from_a_forgotten_version_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT_PER_RESOURCE", 3)
    first = api.create("configmaps", "default", config("a"))["metadata"]["resourceVersion"]
    for number in range(5):
        api.create("configmaps", "default", config(f"c{number}"))
    with pytest.raises(ApiError) as refused:
        api.watch("configmaps", since=first)
    assert refused.value.code == 410


def test_a_watcher_that_lags_hopelessly_is_cut_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "QUEUE_LIMIT", 2)

    async def story() -> int:
        watch = api.watch("configmaps")
        for number in range(5):
            api.create("configmaps", "default", config(f"c{number}"))
        return len([obj async for _, obj in watch])

    assert asyncio.run(story()) == 2
