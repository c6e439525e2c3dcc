"""Judges an object that is in the cluster: whose it is, and whether it still is what Laneway wrote. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioner import labels

Json = dict[str, Any]

# what the API server refuses to change; https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
_FIXED: dict[str, tuple[str, ...]] = {
    "Deployment": ("selector",),
    "StatefulSet": ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"),
}
# what tells the entries of a list apart, so that the cluster may reorder them and add some of its own
_KEYS = ("name", "mountPath", "containerPort", "key", "topologyKey", "uid")
# what is noted on an object, but is no reason to write it again
_NOTES = frozenset((labels.BASELINE_REVISION,))


# to which the cluster adds nothing: what is more in it, somebody else has put there
_EXACT = frozenset(("NetworkPolicy",))


def service_of(thing: Json) -> str:
    """The chain's service that it belongs to; empty when it says none."""
    return str((thing["metadata"].get("labels") or {}).get(labels.SERVICE, ""))


def is_going(thing: Json) -> bool:
    """Whether it is being deleted already."""
    return "deletionTimestamp" in thing["metadata"]


def is_left_over(thing: Json, lane_uid: str) -> bool:
    """Whether it belongs to an earlier lane of the same name, and goes with that one."""
    owner = _controller(thing)
    return _is_lane(owner) and owner["uid"] != lane_uid


def is_of(thing: Json, lane_uid: str) -> bool:
    """Whether that very Lane controls it, whatever its labels say."""
    owner = _controller(thing)
    return _is_lane(owner) and owner["uid"] == lane_uid


def is_anothers(thing: Json, lane: str) -> bool:
    """Whether a Lane of another name controls it."""
    owner = _controller(thing)
    return _is_lane(owner) and owner["name"] != lane


def is_foreign(thing: Json) -> bool:
    """Whether something other than a Lane controls it, whatever its labels say."""
    owner = _controller(thing)
    return bool(owner) and not _is_lane(owner)


def is_fixed_otherwise(thing: Json, wanted: Json) -> bool:
    """Whether it differs from `wanted` in a field that can only be set when the object is made."""
    here, there = thing["spec"], wanted["spec"]
    if thing["kind"] == "Service":
        return _is_headless(here) != _is_headless(there)
    return any(
        not covers(here.get(field), there[field]) for field in _FIXED.get(thing["kind"], ()) if field in there
    )


def is_as_wanted(thing: Json, wanted: Json) -> bool:
    """Whether everything that is wanted of it is there, and nothing else where that would matter."""
    if thing["kind"] in _EXACT and thing["spec"] != wanted["spec"]:
        return False
    return covers(thing, wanted)


def belongs_to(thing: Json) -> str:
    """Whose an object is, as far as it says: its owner, the tool that made it, or who wrote it last."""
    metadata = thing["metadata"]
    owners = [f"{one['kind']}/{one['name']}" for one in metadata.get("ownerReferences") or ()]
    marks = (metadata.get("labels") or {}).get(labels.MANAGED_BY)
    release = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name")
    writers = [str(one["manager"]) for one in metadata.get("managedFields") or () if one.get("manager")]
    if owners:
        return ", ".join(owners)
    if marks:
        return f"{marks} (release {release})" if release else str(marks)
    return f"whoever wrote it as {writers[-1]}" if writers else "somebody else"


def changed_by(thing: Json) -> str:
    """Who wrote an object last, beside Laneway and the cluster's own controllers."""
    writers = [
        (str(one.get("time", "")), str(one["manager"]))
        for one in thing["metadata"].get("managedFields") or ()
        if one.get("manager") not in (None, labels.FIELD_MANAGER, "kube-controller-manager")
        and one.get("subresource") != "status"
    ]
    return max(writers)[1] if writers else "somebody else"


def covers(there: Any, wanted: Any) -> bool:
    """Whether everything that is wanted is there. The cluster may add: defaults, and what admission injects.

    An empty value that is wanted and absent counts as there, since servers leave such out.
    """
    if isinstance(wanted, dict):
        return isinstance(there or {}, dict) and all(
            _holds(there or {}, key, value) for key, value in wanted.items() if key not in _NOTES
        )
    if isinstance(wanted, list):
        return isinstance(there or [], list) and _list_covers(there or [], wanted)
    return bool(there == wanted)


def _holds(there: Json, key: str, value: Any) -> bool:
    return covers(there[key], value) if key in there else not value


def _list_covers(there: Sequence[Any], wanted: Sequence[Any]) -> bool:
    """Named entries may be among others and in another order; anything else is compared place by place."""
    key = _merge_key(wanted)
    if key is None:
        return len(there) == len(wanted) and all(map(covers, there, wanted))
    return all(any(covers(other, one) for other in there) for one in wanted)


def _merge_key(wanted: Sequence[Any]) -> str | None:
    """The field that tells the entries of a list apart, if they have one."""
    if not wanted or not all(isinstance(one, dict) for one in wanted):
        return None
    return next((key for key in _KEYS if all(key in one for one in wanted)), None)


def _is_headless(spec: Json) -> bool:
    return bool(spec.get("clusterIP") == "None")


def _controller(thing: Json) -> Json:
    owners = thing["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})


def _is_lane(owner: Json) -> bool:
    return owner.get("kind") == "Lane" and str(owner.get("apiVersion", "")).startswith(f"{labels.GROUP}/")
