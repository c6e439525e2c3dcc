"""Lanes beside any HTTPRoutes of a user: nothing changes for requests without a lane, and one with a lane
meets the very rule that it would meet without, with the copy where the Service was.

Which rule wins is judged by a small model of what Gateway API says, which knows nothing of how lanes' routes
are made (https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.chain.model import Driver
from provisioner.routing import drivers
from tests.support import drivers as cases

Json = dict[str, Any]

PATHS = ("/", "/a", "/a/b", "/ab", "/c")
METHODS = ("GET", "POST")
HEADERS = ("x-one", "x-two")
VALUES = ("1", "2")
LANE_HEADER = "x-preview-lane"

matches = st.fixed_dictionaries(
    {},
    optional={
        "path": st.fixed_dictionaries(
            {"type": st.sampled_from(("PathPrefix", "Exact")), "value": st.sampled_from(PATHS)}
        ),
        "method": st.sampled_from(METHODS),
        "headers": st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES), min_size=1).map(
            lambda found: [{"name": name, "value": value} for name, value in found.items()]
        ),
        "queryParams": st.sampled_from(VALUES).map(lambda value: [{"name": "q", "value": value}]),
    },
)
rules = st.builds(
    lambda wanted, to, label: {
        **({"matches": wanted} if wanted else {}),
        "backendRefs": [{"name": to, "port": 8080}],
        "timeouts": {"request": f"{label}s"},  # by which a rule is known again
    },
    st.lists(matches, max_size=3),
    st.sampled_from(("payment", "other")),
    st.integers(1, 9999),
)
routes = st.lists(st.lists(rules, min_size=1, max_size=6), max_size=3)


@dataclass(frozen=True)
class Request:
    path: str
    method: str
    headers: tuple[tuple[str, str], ...]
    query: str


requests = st.builds(
    Request,
    st.sampled_from((*PATHS, "/a/b/c", "/d")),
    st.sampled_from(METHODS),
    st.dictionaries(st.sampled_from(HEADERS), st.sampled_from(VALUES)).map(
        lambda found: tuple(found.items())
    ),
    st.sampled_from(("", *VALUES)),
)


def users(found: list[list[Json]]) -> list[Json]:
    """The user's HTTPRoutes, the first the oldest."""
    return [
        {
            "kind": "HTTPRoute",
            "metadata": {
                "name": f"route-{number}",
                "namespace": "shop",
                "creationTimestamp": f"2026-01-02T00:00:{number:02}Z",
            },
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", "name": "payment", "port": 8080}],
                "rules": listed,
            },
        }
        for number, listed in enumerate(found)
    ]


def winner(there: list[Json], request: Request, lane: str) -> Json | None:
    """The rule that a request follows; None where none matches."""
    headers = {**dict(request.headers), **({LANE_HEADER: lane} if lane else {})}
    found = []
    for route in there:
        age = (route["metadata"].get("creationTimestamp", "9"), route["metadata"]["name"])
        for place, rule in enumerate(route["spec"]["rules"]):
            for match in rule.get("matches") or [{}]:
                if _takes(match, request, headers):
                    found.append((_rank(match), age, place, id(rule), rule))
    return min(found)[-1] if found else None


def _takes(match: Json, request: Request, headers: dict[str, str]) -> bool:
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    prefix = path["value"].rstrip("/")
    exact = request.path == path["value"]
    below = request.path == prefix or request.path.startswith(f"{prefix}/")
    return (
        (exact if path["type"] == "Exact" else below)
        and match.get("method", request.method) == request.method
        and all(headers.get(one["name"]) == one["value"] for one in match.get("headers", ()))
        and all(request.query == one["value"] for one in match.get("queryParams", ()))
    )


def _rank(match: Json) -> tuple[int, ...]:
    """The smaller goes first."""
    path = match.get("path", {"type": "PathPrefix", "value": "/"})
    return (
        0 if path["type"] == "Exact" else 1,
        -len(path["value"].rstrip("/")),
        0 if "method" in match else 1,
        -len(match.get("headers", ())),
        -len(match.get("queryParams", ())),
    )


def compiled(theirs: list[Json], *lanes: str) -> list[Json]:
    """What these lanes own, each with a copy of payment."""
    driver = drivers.mesh(Driver.GATEWAY_API)
    assert driver is not None
    case = {
        "chain": {"services": ["payment"]},
        "services": {"payment": [{"name": "http", "port": 8080}], "other": [{"name": "http", "port": 8080}]},
        "lanes": {lane: {"copies": {"payment": "ready"}} for lane in lanes},
        "theirs": theirs,
    }
    return list(driver.compile(cases.intent(case, "gateway-api"), cases.existing(case)).own)


@settings(deadline=None)
@given(routes, st.lists(requests, min_size=1, max_size=8))
def test_a_lane_changes_where_the_service_leads_and_nothing_else(
    found: list[list[Json]], asked: list[Request]
) -> None:
    theirs = users(found)
    whole = [*theirs, *compiled(theirs, "pr-1", "pr-11")]
    for request in asked:
        before, after = winner(theirs, request, ""), winner(whole, request, "")
        assert _same(before, after, routed=bool(found)), "without a lane"
        absent = winner(whole, request, "pr-9")
        assert _same(before, absent, routed=bool(found)), "with a lane that there is not"
        for lane in ("pr-1", "pr-11"):
            mine = winner(whole, request, lane)
            assert _led(mine) == _led_for(before, lane, routed=bool(found))
            assert (mine or {}).get("timeouts") == (before or {}).get("timeouts")


def _same(before: Json | None, after: Json | None, *, routed: bool) -> bool:
    """Whether a request meets the user's rule that it met; where the user has none, it gets the Service."""
    return before == after if routed else _led(after) == "payment" and before is None


def _led(rule: Json | None) -> str | None:
    return rule["backendRefs"][0]["name"] if rule else None


def _led_for(before: Json | None, lane: str, *, routed: bool) -> str | None:
    """Where a lane's request is to be led, by where it was led without one."""
    if before is None:
        return None if routed else f"payment--{lane}"
    to = str(before["backendRefs"][0]["name"])
    return f"payment--{lane}" if to == "payment" else to
