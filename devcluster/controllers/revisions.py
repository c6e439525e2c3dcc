"""ControllerRevisions: the templates that a StatefulSet or DaemonSet had, for its rollout and its undo."""

from __future__ import annotations

from devcluster.controllers.pods import template_hash
from devcluster.controllers.view import Object, View, key_of, owned_by

RESOURCE = "controllerrevisions.apps"
HASH_LABEL = "controller-revision-hash"


def revision_name(owner: Object) -> str:
    return f"{owner['metadata']['name']}-{template_hash(owner['spec']['template'], 0)}"


def record(view: View, owner: Object) -> list[Object]:
    """The owner's revisions, oldest first; the last is the one of its present template."""
    known = sorted(view.owned(RESOURCE, owner), key=_number)
    name = revision_name(owner)
    found = next((r for r in known if r["metadata"]["name"] == name), None)
    newest = _number(known[-1]) if known else 0
    if found is None:
        found = view.create(RESOURCE, owner["metadata"]["namespace"], _revision(owner, name, newest + 1))
    elif _number(found) != newest:  # an older template is wanted again
        found = view.patch(RESOURCE, key_of(found), {"revision": newest + 1})
    return [*(r for r in known if r["metadata"]["name"] != name), found]


def forget(view: View, owner: Object, revisions: list[Object], used: set[str]) -> None:
    """Remove the oldest revisions that no pod has, beyond the owner's history limit."""
    unused = [r for r in revisions[:-1] if r["metadata"]["name"] not in used]
    extra = len(unused) - owner["spec"].get("revisionHistoryLimit", 10)
    for revision in unused[: max(0, extra)]:
        view.delete(RESOURCE, revision)


def template_of(revision: Object) -> Object:
    template: Object = revision["data"]["spec"]["template"]
    return {k: v for k, v in template.items() if k != "$patch"}


def _number(revision: Object) -> int:
    return int(revision.get("revision", 0))


def _revision(owner: Object, name: str, number: int) -> Object:
    template = owner["spec"]["template"]
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: name.rsplit("-", 1)[1]}
    return {
        "metadata": {"name": name, "labels": labels, "ownerReferences": owned_by(owner)},
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
