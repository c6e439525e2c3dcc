"""The inventory, fed change by change, against the intent built from everything at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provisioner import labels
from provisioner.release.model import Phase, Release
from provisioner.routing.attached import build_chain
from provisioner.routing.router.inventory import Inventory
from provisioner.routing.slices import read_slice
from tests.support.routing import chain, endpoint_slice, lane, release, twin

CHAIN = chain(["orders", "payment"])

twins = st.builds(twin, st.sampled_from(["orders", "payment"]), st.sampled_from([10001, 10002]))
lanes = st.builds(
    lambda name, phase, routes, spec: lane(name, {"phase": phase, "services": routes}, **spec),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["Ready", "Terminating", "Sleeping", "Deploying"]),
    st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["orders", "payment"]),
                "route": st.sampled_from(["lane", "waker"]),
                "ready": st.booleans(),
                "inLane": st.booleans(),
            }
        ),
        max_size=2,
    ),
    st.fixed_dictionaries(
        {"mode": st.sampled_from(["loose", "loose", "members", "all"])},
        optional={"parent": st.sampled_from(["a", "b", "c", "gone"])},
    ),
)
slices = st.builds(
    endpoint_slice,
    st.sampled_from(["orders", "payment", "foreign"]),
    st.lists(st.sampled_from(["192.0.2.1", "192.0.2.2"]), unique=True),
    st.sampled_from(["", "a", "b", "c"]),
    ready=st.booleans(),
)
releases = st.builds(
    lambda name, weight, services, phase: release(name, weight, services, phase=phase),
    st.sampled_from(["a", "b"]),
    st.sampled_from([0, 50, 100]),
    st.sampled_from([["orders"], ["orders", "payment"]]),
    st.sampled_from(Phase),
)
histories = st.lists(st.tuples(twins | lanes | slices | releases, st.booleans()), max_size=30)


def unexpected(obj, error):
    raise AssertionError(f"{obj} was not read: {error!r}")


def key(obj):
    return obj["kind"], obj["metadata"]["name"]


@given(histories)
def test_any_history_ends_in_what_the_objects_say(history):
    inventory, objects = Inventory([CHAIN], unexpected), {}
    for obj, gone in history:
        if gone:
            objects.pop(key(obj), None)
            inventory.remove(obj)
        else:
            objects[key(obj)] = obj
            inventory.put(obj)
        inventory.intent("shop")  # whatever it keeps must not be stale later
    assert inventory.intent("shop") == whole(objects.values())


@given(histories, histories)
def test_a_new_list_replaces_what_was_known(before, after):
    inventory, objects = Inventory([CHAIN], unexpected), {key(obj): obj for obj, _ in after}
    for obj, _ in before:
        inventory.put(obj)
    inventory.intent("shop")
    for kind, namespace in (("Lane", ""), ("Release", ""), ("Service", "shop"), ("EndpointSlice", "shop")):
        inventory.replace(kind, namespace, [obj for obj in objects.values() if obj["kind"] == kind])
    assert inventory.intent("shop") == whole(objects.values())


def whole(objects):
    kinds = ("Lane", "Release", "Service", "EndpointSlice")
    of = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in kinds}
    found = [read for obj in of["EndpointSlice"] if (read := read_slice(obj))]
    twins = sorted(of["Service"], key=lambda one: one["metadata"]["name"])
    return build_chain(CHAIN, twins, found, of["Lane"], map(Release.from_object, of["Release"]))


def test_what_a_change_does_not_touch_stays_the_same_object():
    inventory = Inventory([CHAIN], unexpected)
    inventory.put(twin("payment"))
    for name in ("a", "b"):
        inventory.put(lane(name))
        inventory.put(endpoint_slice("payment", ["192.0.2.1"], name))
    before = inventory.intent("shop").services[0].ports[0].copies
    inventory.put(endpoint_slice("payment", ["192.0.2.9"], "b"))
    after = inventory.intent("shop").services[0].ports[0].copies
    assert after[0] is before[0]
    assert after[1] != before[1]


def test_an_object_that_somebody_broke_is_reported_and_what_was_known_stays():
    rejected = []
    inventory = Inventory([CHAIN], lambda obj, error: rejected.append((obj["kind"], type(error))))
    inventory.put(twin("payment"))
    inventory.put(lane("a"))
    inventory.put(endpoint_slice("payment", ["192.0.2.1"], "a"))
    before = inventory.intent("shop")
    broken = twin("payment")
    broken["metadata"]["annotations"] = {labels.LISTENERS: "{"}
    inventory.put(broken)
    inventory.put({**lane("a"), "spec": {"chain": "shop", "lane": "a", "mode": "unheard-of"}})
    assert [kind for kind, _ in rejected] == ["Service", "Lane"]
    assert inventory.intent("shop") == before


def test_a_share_follows_the_releases_status_and_its_copies():
    inventory = Inventory([CHAIN], unexpected)
    inventory.put(twin("payment"))
    inventory.put(lane("v2", mode="members"))
    weights = []

    def note():
        found = inventory.intent("shop").share
        weights.append(None if found is None else found.weight)

    copied = endpoint_slice("payment", ["192.0.2.1"], "v2")
    for obj in (release("v2", 25), copied, release("v2", 50), release("v2", 50, phase=Phase.ROLLED_BACK)):
        inventory.put(obj)
        note()
    inventory.put(release("v2", 75))
    inventory.remove(copied)
    note()
    inventory.remove(release("v2", 75))
    note()
    assert weights == [0, 25, 50, None, 0, None]


def test_a_release_of_a_chain_that_is_not_routed_here_is_no_business_of_ours():
    inventory = Inventory([CHAIN], unexpected)
    foreign = release("v2", 25)
    foreign["spec"]["chain"] = "elsewhere"
    inventory.put(foreign)
    assert inventory.intent("shop").share is None


def test_a_release_that_somebody_broke_keeps_the_share_that_it_had():
    rejected = []
    inventory = Inventory([CHAIN], lambda obj, error: rejected.append(obj["kind"]))
    for obj in (
        twin("payment"),
        lane("v2"),
        endpoint_slice("payment", ["192.0.2.1"], "v2"),
        release("v2", 25),
    ):
        inventory.put(obj)
    broken = release("v2", 50)
    del broken["spec"]["services"]
    inventory.put(broken)
    unheard = release("v2", 50)
    unheard["status"]["phase"] = "Unheard-of"
    inventory.put(unheard)
    inventory.put(release("another", 0, phase=Phase.PENDING))
    assert rejected == ["Release", "Release"]
    assert inventory.intent("shop").share.weight == 25
