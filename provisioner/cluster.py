"""The one edge to Kubernetes: raw JSON in, raw JSON out, and errors of Laneway's own.

Objects are plain dicts because the typed models drop fields that they do not know, and a clone must not.
Writes go under the field manager `laneway`. Nothing here decides anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
import yaml
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import load_incluster_config, load_kube_config
from kubernetes.config.config_exception import ConfigException

from provisioner.errors import ClusterError, ConfigError, ConflictError, LanewayError, PermanentError
from provisioner.kinds import KINDS
from provisioner.labels import FIELD_MANAGER

Json = dict[str, Any]
Objects = list[Json]
Query = Mapping[str, str]

USER_AGENT = "laneway"
CONNECT_SECONDS = 3.0
READ_SECONDS = 15.0
PROBE_SECONDS = 2.0  # of an answer whose lack is the answer: whoever probes us waits five in all
WATCH_SECONDS = 300  # the server ends a watch after this long, the client gives up a little later
PAGE = 500
FIELD_CONFLICT = "FieldManagerConflict"  # reason of a ConflictError: somebody else holds a field
WITHOUT_EFFECT = {"dryRun": "All"}  # the write is checked and answered all the same
OF_KIND = "x-kubernetes-group-version-kind"  # in OpenAPI: the kinds that a schema is of
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
# https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
METADATA_ALONE = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"


class Cluster:
    """Requests to one API server. Safe to share between threads."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def get(self, kind: str, name: str, namespace: str = "") -> Json | None:
        """The object, or None when there is none."""
        path = KINDS[kind].path(namespace, name)
        try:
            return self._request("GET", path)
        except NotFoundError:
            return None

    def list(self, kind: str, namespace: str = "", labels: str = "", fields: str = "") -> Objects:
        """All objects of the kind in a namespace ("": in all), with `kind` and `apiVersion` set on each."""
        return list(self.pages(kind, namespace, labels, fields))

    def pages(self, kind: str, namespace: str = "", labels: str = "", fields: str = "") -> Iterator[Json]:
        """As `list`, one page in memory at a time. ConflictError when a page has expired: start again."""
        for page in self._pages(kind, namespace, labels, fields):
            yield from _items(kind, page)

    def exceeds(self, most: int, kind: str, labels: str) -> bool:
        """Whether there are more objects of a kind than that, in all namespaces; one request, and of each
        object the metadata alone."""
        query = {"limit": str(most), "labelSelector": labels}
        page = self._request("GET", KINDS[kind].path(), query, accept=METADATA_ALONE)
        return bool(page["metadata"].get("continue"))

    def create(self, obj: Json) -> Json:
        """Creates; ConflictError with reason AlreadyExists where the name is taken."""
        return self._request("POST", _path(obj, named=False), {"fieldManager": FIELD_MANAGER}, obj)

    def apply(self, obj: Json, *, force: bool) -> Json:
        """Server-side apply. A resourceVersion in the object makes it conditional; without `force` a field
        that another manager holds is a ConflictError with reason FIELD_CONFLICT that names the manager."""
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        return self._request("PATCH", _path(obj), query, obj, APPLY)

    def rehearse(self, obj: Json, *, force: bool) -> Json:
        """As `apply`, without effect."""
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower(), **WITHOUT_EFFECT}
        return self._request("PATCH", _path(obj), query, obj, APPLY)

    def rehearse_replace(self, obj: Json) -> Json:
        """As `replace`, without effect."""
        return self._request("PUT", _path(obj), {"fieldManager": FIELD_MANAGER, **WITHOUT_EFFECT}, obj)

    def rehearse_delete(self, kind: str, name: str, namespace: str = "", *, uid: str = "") -> bool:
        """As `delete`, without effect."""
        # in the body: a server that is sent one does not look at the query
        return self._delete(KINDS[kind].path(namespace, name), {"uid": uid}, {"dryRun": ["All"]})

    def replace(self, obj: Json, subresource: str = "") -> Json:
        """Replaces, conditional on the object's resourceVersion where it has one."""
        return self._request("PUT", _path(obj, subresource), {"fieldManager": FIELD_MANAGER}, obj)

    def merge(self, kind: str, name: str, patch: Json, namespace: str = "", subresource: str = "") -> Json:
        """JSON merge patch (RFC 7386): keys not named stay as they are, whoever wrote them meanwhile."""
        path = KINDS[kind].path(namespace, name, subresource)
        return self._request(
            "PATCH", path, {"fieldManager": FIELD_MANAGER}, patch, "application/merge-patch+json"
        )

    def rehearse_merge(self, kind: str, name: str, patch: Json, namespace: str = "") -> Json:
        """As `merge`, without effect."""
        query = {"fieldManager": FIELD_MANAGER, **WITHOUT_EFFECT}
        path = KINDS[kind].path(namespace, name)
        return self._request("PATCH", path, query, patch, "application/merge-patch+json")

    def delete(
        self, kind: str, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Deletes with its dependents in the background; False when it was gone already. With `uid` or
        `resource_version` only that very object (ConflictError otherwise)."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        return self._delete(KINDS[kind].path(namespace, name), wanted, {})

    def snapshot(self, kind: str, namespace: str = "", labels: str = "") -> tuple[Objects, str]:
        """A list and the resourceVersion from which a watch continues it."""
        items: Objects = []
        version = ""
        for page in self._pages(kind, namespace, labels, ""):
            items += _items(kind, page)
            version = page["metadata"]["resourceVersion"]
        return items, version

    def watch(
        self, kind: str, namespace: str = "", labels: str = "", since: str = ""
    ) -> Iterator[tuple[str, Json]]:
        """What changes after resourceVersion `since`: (ADDED, MODIFIED, DELETED or BOOKMARK, object).

        Ends when the server ends it; watch again from the last object's resourceVersion. Raises ConflictError
        with reason Expired where `since` is too old: take a snapshot again; else as any request does.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        query |= {
            key: value for key, value in {"labelSelector": labels, "resourceVersion": since}.items() if value
        }
        response = self._send("GET", KINDS[kind].path(namespace), query, None, "", WATCH_SECONDS + 10)
        try:
            if response.status >= 400:
                raise _refusal(response, response.read(), f"watch {kind}")
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"].get("code", 500), event["object"], f"watch {kind}", None)
                yield event["type"], event["object"]
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"the watch was cut: {error}", where=f"watch {kind}") from error
        finally:
            response.close()

    def version(self) -> Json:
        """What the API server says of itself: `major`, `minor` and `gitVersion` among others, as text."""
        return self._request("GET", "/version")

    def schema(self, kind: str) -> Json | None:
        """The kind's schema as OpenAPI v3 describes it to whoever may ask the server anything; None where the
        server does not know the kind."""
        whole = KINDS[kind].api_version
        group, _, version = whole.rpartition("/")
        try:
            found = self._request("GET", f"/openapi/v3/{'apis' if group else 'api'}/{whole}")
        except NotFoundError:
            return None
        wanted = {"group": group, "version": version, "kind": kind}
        schemas: Iterator[Json] = iter(found["components"]["schemas"].values())
        return next((one for one in schemas if wanted in one.get(OF_KIND, ())), None)

    def reachable(self) -> None:
        """Raises ClusterError or PermanentError unless the API server answers soon and knows Lanes."""
        try:
            self._request("GET", KINDS["Lane"].path(), {"limit": "1"}, seconds=PROBE_SECONDS)
        except NotFoundError as error:
            raise PermanentError(
                "this cluster has no Lane resource; install the chart's CRDs (charts/laneway/crds)",
                reason="NotInstalled",
            ) from error

    def _delete(self, path: str, conditions: Query, more: Json) -> bool:
        preconditions = {key: value for key, value in conditions.items() if value}
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        options |= more
        if preconditions:
            options["preconditions"] = preconditions
        try:
            self._request("DELETE", path, {}, options)
        except NotFoundError:
            return False
        return True

    def _pages(self, kind: str, namespace: str, labels: str, fields: str) -> Iterator[Json]:
        query = {"limit": str(PAGE)} | {
            key: value for key, value in {"labelSelector": labels, "fieldSelector": fields}.items() if value
        }
        while True:
            page = self._request("GET", KINDS[kind].path(namespace), query)
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    def _request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        content: str = JSON,
        *,
        accept: str = JSON,
        seconds: float = READ_SECONDS,
    ) -> Json:
        response = self._send(method, path, query or {}, body, content, seconds, accept)
        where = f"{method} {path}"
        try:
            data = response.read()
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"the answer was cut off: {error}", where=where) from error
        if response.status >= 400:
            raise _refusal(response, data, where)
        return _decode(data)

    def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        content: str,
        read: float,
        accept: str = JSON,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content
        method, url, headers, body, _ = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(
                method, url, header_params=headers, body=body, _request_timeout=(CONNECT_SECONDS, read)
            )
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise ClusterError(
                f"the API server does not answer: {error}", where=f"{method} {path}"
            ) from error
        response: urllib3.BaseHTTPResponse = answer.response
        return response


class NotFoundError(PermanentError):
    """The object, its namespace or its kind does not exist."""

    reason = "NotFound"


def connect(kubeconfig: str = "", context: str = "") -> Cluster:
    """The cluster of a kubeconfig file, or, without one, the cluster that this process runs in.

    Raises ConfigError when neither works: Laneway never takes the current context of ~/.kube/config by
    itself, which may be someone's production.
    """
    configuration = Configuration()
    try:
        if kubeconfig:
            load_kube_config(kubeconfig, context or None, client_configuration=configuration)
        else:
            load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError, yaml.YAMLError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        if not kubeconfig:
            why = f"no cluster is named, and this is no pod that has one's credentials ({why})"
        raise ConfigError(
            f"{why}; set LANEWAY_KUBECONFIG to a kubeconfig file", where=kubeconfig or "environment"
        ) from error
    if not configuration.verify_ssl:  # its owner has decided; a warning at each request helps nobody
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    configuration.retries = False
    configuration.connection_pool_maxsize = 32
    client = ApiClient(configuration)
    client.user_agent = USER_AGENT
    return Cluster(client)


def _path(obj: Json, subresource: str = "", *, named: bool = True) -> str:
    metadata = obj["metadata"]
    return KINDS[obj["kind"]].path(
        metadata.get("namespace", ""), metadata["name"] if named else "", subresource
    )


def _items(kind: str, page: Json) -> Objects:
    """The items of a list; a server leaves their kind out."""
    return [{"apiVersion": KINDS[kind].api_version, "kind": kind, **item} for item in page["items"]]


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)


def _decode(data: bytes) -> Json:
    try:
        found = json.loads(data) if data else {}
    except ValueError:
        found = {"message": data[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {"message": str(found)[:200]}


def _refusal(response: urllib3.BaseHTTPResponse, data: bytes, where: str) -> LanewayError:
    return _error(response.status, _decode(data), where, response.headers.get("Retry-After"))


def _error(code: int, status: Json, where: str, retry_after: str | None) -> LanewayError:
    """Our error for an HTTP status, with the server's own words."""
    message, reason = str(status.get("message") or f"HTTP {code}"), str(status.get("reason") or "")
    if code == 404:
        return NotFoundError(message, where=where)
    if code in (409, 410):
        said = _cause(status) or reason or "Conflict"
        return ConflictError(message, where=where, reason="Expired" if code == 410 else said)
    if code == 429 or code >= 500:
        seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
        return ClusterError(message, where=where, retry_after=seconds)
    return PermanentError(message, where=where, reason=_cause(status) or reason or "Rejected")


_TELLING = ("NamespaceTerminating", FIELD_CONFLICT)


def _cause(status: Json) -> str:
    """What a refusal is really about, where the server says more than Forbidden or Conflict."""
    causes = (status.get("details") or {}).get("causes") or ()
    return next((str(one["reason"]) for one in causes if one.get("reason") in _TELLING), "")
