"""A list by label finds what it found when every object was looked at."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from devcluster import selectors
from devcluster.api import Api
from devcluster.store import Store

labels = st.dictionaries(st.sampled_from(("lane", "chain")), st.sampled_from(("", "a", "b")))
steps = st.lists(st.tuples(st.sampled_from(("n", "m")), st.one_of(labels, st.none())), max_size=12)
selections = st.lists(
    st.sampled_from(("lane", "!lane", "lane=a", "lane==b", "chain=a", "!chain", "lane!=a", "lane in (a,b)")),
    max_size=3,
).map(",".join)


@given(steps, selections)
def test_an_index_finds_what_a_look_at_everything_finds(
    steps: list[tuple[str, Mapping[str, str] | None]], selector: str
) -> None:
    store = Store()
    api = Api(store)
    for name, wanted in steps:
        key = ("configmaps", "default", name)
        if wanted is not None:
            metadata = {"name": name, "namespace": "default", "uid": name, "labels": dict(wanted)}
            store.put(key, {"kind": "ConfigMap", "metadata": metadata})
        elif store.get(key):
            store.remove(key)
        accepts = selectors.labels(selector) or (lambda _: True)
        everything = [one for one in api.list("configmaps") if accepts(one["metadata"].get("labels") or {})]
        assert api.list("configmaps", labels=selector) == everything
    store.close()
