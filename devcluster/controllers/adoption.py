"""Adoption: a controller takes over what its selector matches and nobody controls.

That is how a Deployment made again after `kubectl delete --cascade=orphan` finds its pods.
"""

from __future__ import annotations

from devcluster.controllers.pods import matches
from devcluster.controllers.view import Object, View, controller_of, deleting, key_of, owned_by


def adopt(view: View, resource: str, owner: Object) -> list[Object]:
    """All of `resource` that `owner` controls, after taking over the orphans its selector matches."""
    if not deleting(owner):
        for orphan in _orphans(view, resource, owner):
            references = orphan["metadata"].get("ownerReferences") or []
            body = {"metadata": {"ownerReferences": [*references, *owned_by(owner)]}}
            view.patch(resource, key_of(orphan), body)
    return view.owned(resource, owner)


def _orphans(view: View, resource: str, owner: Object) -> list[Object]:
    selector = owner["spec"].get("selector") or {}
    exact = selector.get("matchLabels")
    if not exact:
        return []  # with expressions alone it would mean reading the whole namespace at every change
    found = view.labelled(resource, owner["metadata"]["namespace"], exact)
    return [
        obj
        for obj in found
        if controller_of(obj) is None
        and not deleting(obj)
        and matches(selector, obj["metadata"].get("labels"))
    ]
