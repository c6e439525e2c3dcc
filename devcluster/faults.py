"""Making requests go wrong on purpose: fail, stall, be lost on the way in, or be cut off on the way out.

Rules are plain data, set over the administrative address. The first rule that matches a request and has not
been used up decides.
"""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass, field
from typing import Any

from devcluster import rbac
from devcluster.errors import ApiError, bad_request
from devcluster.requests import Call

Object = dict[str, Any]

FAIL, STALL, DROP, CUT = "fail", "stall", "drop", "cut"
ACTIONS = (FAIL, STALL, DROP, CUT)


@dataclass
class Rule:
    """One fault. Empty conditions match everything; `count` None is without end.

    `action`: fail answers `status` (with Retry-After when `retry_after`, in seconds, is set) without handling
    the request; stall waits `seconds` and then handles it; drop closes the connection before it is handled;
    cut handles it and closes the connection instead of answering.
    """

    action: str
    method: str = ""
    path: str = ""
    verb: str = ""
    resource: str = ""
    user_agent: str = ""
    count: int | None = None
    probability: float = 1.0
    status: int = 500
    retry_after: int | None = None
    seconds: float = 0.0
    number: int = 0
    hits: int = 0

    def matches(self, method: str, path: str, call: Call | None, agent: str) -> bool:
        if self.count is not None and self.hits >= self.count:
            return False
        if self.method and self.method.upper() != method:
            return False
        if self.verb and (call is None or call.verb != self.verb):
            return False
        if self.resource and (call is None or self.resource not in (call.resource, call.plural)):
            return False
        if not re.search(self.path, path) or self.user_agent not in agent:
            return False
        return self.probability >= 1 or random.random() < self.probability

    def failure(self, call: Call | None) -> ApiError:
        """What a `fail` rule answers; 403 in the words of RBAC."""
        if self.status == 403 and call is not None:
            return rbac.refused(call, "laneway")
        reasons = {
            429: "TooManyRequests",
            500: "InternalError",
            503: "ServiceUnavailable",
            504: "Timeout",
            409: "Conflict",
        }
        details = {"retryAfterSeconds": self.retry_after} if self.retry_after is not None else {}
        return ApiError(
            self.status,
            reasons.get(self.status, "InternalError"),
            "a fault injected into devcluster",
            details,
        )


_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("action", "method", "path", "verb", "resource", "user_agent"), (str,)),
    "count": (int,),
    "probability": (int, float),
    "status": (int,),
    "retry_after": (int,),
    "seconds": (int, float),
}
_SPELLINGS = {"retryAfter": "retry_after", "userAgent": "user_agent"}


def rule(data: Object) -> Rule:
    """A rule from JSON; ApiError 400 says which field is wrong."""
    values = {_SPELLINGS.get(key, key): value for key, value in data.items()}
    for key, value in values.items():
        if key not in _FIELDS:
            raise bad_request(f"{key!r} is no field of a fault; there are: {', '.join(_FIELDS)}")
        if not isinstance(value, _FIELDS[key]) or isinstance(value, bool):
            raise bad_request(
                f"{key!r} must be {' or '.join(kind.__name__ for kind in _FIELDS[key])}, not {value!r}"
            )
    if values.get("action") not in ACTIONS:
        raise bad_request(f"'action' must be one of {', '.join(ACTIONS)}, not {values.get('action')!r}")
    try:
        re.compile(values.get("path", ""))
    except re.error as error:
        raise bad_request(f"'path' is no regular expression: {error}") from error
    return Rule(**values)


@dataclass
class Faults:
    """The rules in force."""

    rules: list[Rule] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def add(self, new: Rule) -> Rule:
        new.number = next(self._numbers)
        self.rules.append(new)
        return new

    def remove(self, number: int | None = None) -> None:
        """Remove one rule, or all."""
        self.rules = [rule for rule in self.rules if number is not None and rule.number != number]

    def choose(self, method: str, path: str, call: Call | None, agent: str) -> Rule | None:
        """The rule that decides about a request, counted as used."""
        for candidate in self.rules:
            if candidate.matches(method, path, call, agent):
                candidate.hits += 1
                return candidate
        return None
