"""Who may do what: everybody everything. `kubectl auth can-i` and `whoami` get their answers here."""

from __future__ import annotations

from typing import Any

from devcluster.errors import method_not_allowed
from devcluster.requests import Call

Object = dict[str, Any]


def review(call: Call, body: Object) -> Object:
    """The review that was posted, with its status."""
    if call.verb != "create":
        raise method_not_allowed()
    if call.plural == "selfsubjectreviews":
        status: Object = {
            "userInfo": {"username": "devcluster", "groups": ["system:masters", "system:authenticated"]}
        }
    else:
        status = {"allowed": True, "reason": "devcluster allows everything to everybody"}
    return {**body, "status": status}
