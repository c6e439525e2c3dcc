"""Who may do what: everybody everything. `kubectl auth can-i` and `whoami` get their answers here."""

from __future__ import annotations

from typing import Any

from devcluster import requests
from devcluster.errors import method_not_allowed, no_such_path
from devcluster.requests import Call

Object = dict[str, Any]


KINDS = {"selfsubjectaccessreviews": "SelfSubjectAccessReview", "selfsubjectreviews": "SelfSubjectReview"}


def review(call: Call, raw: bytes, content_type: str) -> Object:
    """The review that was posted, with its status. One in protobuf, as kubectl sends it, is answered
    unread.
    """
    if call.plural not in KINDS:
        raise no_such_path()
    if call.verb != "create":
        raise method_not_allowed()
    if call.plural == "selfsubjectreviews":
        status: Object = {
            "userInfo": {"username": "devcluster", "groups": ["system:masters", "system:authenticated"]}
        }
    else:
        status = {"allowed": True, "reason": "devcluster allows everything to everybody"}
    read = requests.media_type(content_type) != "application/vnd.kubernetes.protobuf"
    body = requests.document(raw, content_type) if read else {"spec": {}}
    head = {"kind": KINDS[call.plural], "apiVersion": f"{call.group}/{call.version}"}
    return {**head, "metadata": {}, **body, "status": status}
