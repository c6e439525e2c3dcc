"""The verbs of the API over HTTP: each reads a request, calls the API once and says what to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson

from devcluster import errors, requests, subresources
from devcluster.answers import Answer, Presenter
from devcluster.api import Api
from devcluster.deletion import Deletion
from devcluster.errors import ApiError
from devcluster.paging import Pages
from devcluster.requests import Call
from devcluster.store import Object
from devcluster.writes import Options, Target

DEFAULT_MANAGER = "unknown"


class Request:
    """One request on a resource, with what its verb needs to answer it."""

    def __init__(self, api: Api, pages: Pages, call: Call, headers: dict[str, str], raw: bytes) -> None:
        self.api = api
        self.pages = pages
        self.call = call
        self.raw = raw
        self.content_type = headers.get("content-type", "")
        self.agent = headers.get("user-agent", "")
        resource = api.resources.find(call.group, call.version, call.plural)
        namespace = call.namespace if resource.namespaced else ""
        self.target = Target(resource, namespace, call.name, call.subresource, call.version)
        self.presenter = Presenter(
            resource, call, headers.get("accept", ""), api.resources.columns(resource, call.version)
        )

    def options(self) -> Options:
        query = self.call.query
        manager = query.get("fieldManager") or self.agent.partition("/")[0] or DEFAULT_MANAGER
        validation = query.get("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            cause = errors.unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"])
            raise errors.invalid("CreateOptions", "meta.k8s.io", "", [cause])
        return Options(manager, self.dry_run(), validation, self.call.flag("force"))

    def dry_run(self) -> bool:
        asked = self.call.query.get("dryRun", "")
        if asked not in ("", "All"):
            cause = errors.unsupported("dryRun", asked, ["All"])
            raise errors.invalid("CreateOptions", "meta.k8s.io", "", [cause])
        return asked == "All"

    def document(self, options: Options) -> Object:
        """The body as an object of the kind that the path names, its doubled fields noted."""
        if not self.raw:
            raise errors.bad_request("the body is empty: json parse error: unexpected end of JSON input")
        obj = requests.document(self.raw, self.content_type)
        if options.field_validation != "Ignore":
            doubled = requests.duplicate_fields(self.raw)
            if doubled and options.field_validation == "Strict":
                raise errors.bad_request(f"strict decoding error: {', '.join(doubled)}")
            options.warnings += doubled
        return obj


def get(request: Request) -> Answer:
    if request.target.subresource == "scale":
        return Answer(200, orjson.dumps(subresources.scale_of(request.api.writer.current(request.target))))
    return Answer(200, request.presenter.one(request.api.writer.current(request.target)))


def list_(request: Request) -> Answer:
    query = request.call.query
    limit = request.call.number("limit")
    request.call.number("resourceVersion")
    if token := query.get("continue"):
        records, revision, following, remaining = request.pages.follow(token, limit)
    else:
        selectors = {"labels": query.get("labelSelector", ""), "fields": query.get("fieldSelector", "")}
        records = request.api.records(request.target.resource.name, request.target.namespace, **selectors)
        revision = request.api.store.revision
        records, following, remaining = request.pages.begin(records, revision, limit)
    meta: Object = {"resourceVersion": str(revision)}
    if following:
        meta["continue"] = following
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            meta["remainingItemCount"] = remaining
    return Answer(200, request.presenter.many(records, meta))


def create(request: Request) -> Answer:
    options = request.options()
    record = request.api.writer.create(request.target, request.document(options), options)
    return Answer(201, request.presenter.one(record), warnings=options.warnings)


def update(request: Request) -> Answer:
    options = request.options()
    obj = request.document(options)
    if request.target.subresource == "scale":
        return Answer(
            200, orjson.dumps(subresources.rescale(request.api.writer, request.target, obj, options))
        )
    record = request.api.writer.update(request.target, obj, options)
    return Answer(200, request.presenter.one(record), warnings=options.warnings)


def patch(request: Request) -> Answer:
    kind = requests.patch_kind(request.content_type)
    if kind == "apply" and not request.call.query.get("fieldManager"):
        raise errors.bad_request(
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch"
        )
    options = request.options()
    body: Any = (
        requests.body(request.raw, request.content_type) if kind == "json" else request.document(options)
    )
    existed = request.api.store.get(request.target.key) is not None
    if request.target.subresource == "scale":
        return Answer(
            200,
            orjson.dumps(subresources.patch_scale(request.api.writer, request.target, body, kind, options)),
        )
    record = request.api.writer.patch(request.target, body, kind, options)
    return Answer(200 if existed else 201, request.presenter.one(record), warnings=options.warnings)


def delete(request: Request) -> Answer:
    how = _deletion(request)
    record, gone = request.api.deleter.delete(request.target, how)
    resource = request.target.resource
    if not gone or resource.name in ("pods", "services", "serviceaccounts", "persistentvolumeclaims"):
        return Answer(200, request.presenter.one(record))
    details = {"name": request.target.name, "kind": resource.plural, "uid": record.obj["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return Answer(200, orjson.dumps(status))


def delete_collection(request: Request) -> Answer:
    query, how = request.call.query, _deletion(request)
    resource = request.target.resource
    selectors = {"labels": query.get("labelSelector", ""), "fields": query.get("fieldSelector", "")}
    records = request.api.records(resource.name, request.target.namespace, **selectors)
    for record in records:
        request.api.deleter.delete(Target(resource, record.key[1], record.key[2]), how)
    return Answer(200, request.presenter.many(records, {"resourceVersion": str(request.api.store.revision)}))


def _deletion(request: Request) -> Deletion:
    """From the body's DeleteOptions; from the query, which may say the same, only where there is no body."""
    options = requests.document(request.raw, request.content_type)
    query = request.call.query
    if options:
        return Deletion.of(options)
    if query.get("propagationPolicy"):
        options["propagationPolicy"] = query["propagationPolicy"]
    if query.get("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = request.call.number("gracePeriodSeconds")
    if request.dry_run():
        options["dryRun"] = ["All"]
    return Deletion.of(options)


VERBS: dict[str, Callable[[Request], Answer]] = {
    "get": get,
    "list": list_,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": delete_collection,
}


def logs(request: Request) -> AsyncIterator[bytes]:
    """What a container wrote. ApiError 503 when no kubelet runs, 404 or 400 as it says."""
    pod = request.api.writer.current(request.target).obj
    if request.api.log_source is None:
        raise ApiError(
            503, "ServiceUnavailable", "no kubelet runs in this devcluster (it was started with --no-node)"
        )
    query = dict(request.call.query)
    return request.api.log_source(pod, query.get("container", ""), query)


def evict(request: Request) -> Answer:
    request.api.deleter.delete(
        request.target, Deletion.of(request.document(Options()).get("deleteOptions") or {})
    )
    return Answer(
        201,
        orjson.dumps(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        ),
    )


def bind(request: Request) -> Answer:
    """Put a pod on a node, as a scheduler does."""
    node = (request.document(Options()).get("target") or {}).get("name", "")
    current = request.api.writer.current(request.target)
    obj = current.copy()
    obj["spec"]["nodeName"] = node
    request.api.writer.change(request.target, current, obj, request.options())
    return Answer(
        201,
        orjson.dumps(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        ),
    )


def token(request: Request) -> Answer:
    """A token for a service account: a word that nothing here checks."""
    request.api.writer.current(request.target)
    word = {
        "token": f"devcluster-{request.target.namespace}-{request.target.name}",
        "expirationTimestamp": "2099-01-01T00:00:00Z",
    }
    return Answer(201, orjson.dumps({**request.document(Options()), "status": word}))


SPECIAL: dict[str, Callable[[Request], Answer | AsyncIterator[bytes]]] = {
    "log": logs,
    "eviction": evict,
    "binding": bind,
    "token": token,
}
