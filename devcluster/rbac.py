"""Who makes a request, and whether the Roles in this cluster allow it.

Whoever brings no token is an administrator, as everybody is on one's own machine. A bearer token of the form
`serviceaccount:NAMESPACE:NAME`, which any kubeconfig can hold, makes a request that ServiceAccount's: it may
do what the stored Roles grant and nothing else, and a refusal is worded as Kubernetes words it.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from devcluster import requests
from devcluster.api import Api
from devcluster.errors import ApiError
from devcluster.requests import Call
from devcluster.store import Object

GROUP = "rbac.authorization.k8s.io"
_TOKEN = "Bearer serviceaccount:"
_APPLY = "application/apply-patch+yaml"


def user(headers: Mapping[str, str]) -> str:
    """Whose request it is; empty for an administrator's."""
    given = headers.get("authorization", "")
    return f"system:serviceaccount:{given.removeprefix(_TOKEN)}" if given.startswith(_TOKEN) else ""


def check(api: Api, call: Call, headers: Mapping[str, str]) -> None:
    """ApiError 403 unless the request's user may make it. To apply what is not there takes `create` too."""
    who = user(headers)
    if not who:
        return
    for needed in (call, replace(call, verb="create")) if _creates(api, call, headers) else (call,):
        if not any(_allows(rule, needed) for rule in _granted(api, who, call.namespace)):
            raise refused(needed, who)


def refused(call: Call, who: str) -> ApiError:
    """What the API server answers to somebody who is allowed too little."""
    thing = f'{call.resource} "{call.name}"' if call.name else call.resource
    subresource = f"/{call.subresource}" if call.subresource else ""
    where = f'in the namespace "{call.namespace}"' if call.namespace else "at the cluster scope"
    message = (
        f'{thing} is forbidden: User "{who}" cannot {call.verb} resource "{call.plural}{subresource}" '
        f'in API group "{call.group}" {where}'
    )
    details = {"group": call.group, "kind": call.plural} | ({"name": call.name} if call.name else {})
    return ApiError(403, "Forbidden", message, details)


def _creates(api: Api, call: Call, headers: Mapping[str, str]) -> bool:
    if call.verb != "patch" or requests.media_type(headers.get("content-type", "")) != _APPLY:
        return False
    return api.store.get((call.resource, call.namespace, call.name)) is None


def _granted(api: Api, who: str, namespace: str) -> Iterator[Object]:
    """The rules that hold for a user in a namespace, or at the cluster scope where it is empty."""
    for kind, scope in (("clusterrolebindings", ""), ("rolebindings", namespace)):
        if kind == "rolebindings" and not namespace:
            continue
        for binding in api.list(f"{kind}.{GROUP}", scope):
            if who in map(_subject, binding.get("subjects") or ()):
                yield from _rules(api, binding)


def _subject(subject: Object) -> str:
    if subject["kind"] == "ServiceAccount":
        return f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"
    return str(subject["name"])


def _rules(api: Api, binding: Object) -> Iterator[Object]:
    """The rules of the Role that a binding names; none where there is no such Role."""
    role = binding["roleRef"]
    namespace = binding["metadata"].get("namespace", "") if role["kind"] == "Role" else ""
    record = api.store.get((f"{role['kind'].lower()}s.{GROUP}", namespace, role["name"]))
    if record is not None:
        yield from record.obj.get("rules") or ()


def _allows(rule: Object, call: Call) -> bool:
    wanted = f"{call.plural}/{call.subresource}" if call.subresource else call.plural
    names = rule.get("resourceNames") or ()
    return (
        _holds(rule.get("verbs"), call.verb)
        and _holds(rule.get("apiGroups"), call.group)
        and _holds(rule.get("resources"), wanted)
        and (not names or call.name in names)
    )


def _holds(listed: list[str] | None, wanted: str) -> bool:
    return wanted in (listed or ()) or "*" in (listed or ())
