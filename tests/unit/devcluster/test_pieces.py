"""The small pure pieces: selectors, paths of columns, rules, durations, pages, requests, names."""

from __future__ import annotations

from typing import Any

import pytest

from devcluster import cel, jsonpath, requests, selectors, syntax, tables
from devcluster.errors import ApiError
from devcluster.faults import Rule
from devcluster.paging import OPEN_LISTS, Pages


@pytest.mark.parametrize(
    ("selector", "matching"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
    ],
)
def test_label_selector_objects(selector: dict[str, Any], matching: bool) -> None:
    assert selectors.matches(selector, {"a": "1"}) is matching


@pytest.mark.parametrize("text", ["a in b", "=x", "a=b=c", "a notin"])
def test_malformed_label_selectors_are_refused(text: str) -> None:
    with pytest.raises(ApiError):
        selectors.labels(text)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.n", [1]),
        (".spec.absent.deeper", []),
        (".items[0].name", ["x"]),
        (".items[*].name", ["x", "y"]),
        (".items[9].name", []),
        ('.items[?(@.name=="y")].v', [True]),
        (".metadata.labels['a.b/c']", ["d"]),
        (".metadata.labels.a\\.b/c", ["d"]),
    ],
)
def test_column_paths(path: str, found: list[Any]) -> None:
    obj = {
        "spec": {"n": 1},
        "items": [{"name": "x"}, {"name": "y", "v": True}],
        "metadata": {"labels": {"a.b/c": "d"}},
    }
    assert jsonpath.compile_(path)(obj) == found


def test_a_malformed_column_path_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSONPath"):
        jsonpath.compile_("spec")


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("self.a == 1 && self.b != 'x'", True),
        ("self.a > 1 || self.b == 'y'", True),
        ("!has(self.c)", True),
        ("has(self.c) && self.c.d", False),
        ("self.a in [1, 2]", True),
        ("self.b.startsWith('y') && size(self.l) == 2", True),
        ("self.l.all(x, x > 0)", True),
        ("self.l.exists(x, x > 5)", False),
        ("has(self.c) ? self.c == 1 : self.a == 1", True),
        ("self.b.matches('^[a-z]$')", True),
        ("self.a + 1 == 2", True),
        ("self.a == oldSelf.a", False),
        ("self.l.map(x, x)", None),
        ("self.c == 1", False),
    ],
)
def test_rules(rule: str, holds: bool | None) -> None:
    assert cel.holds(rule, {"a": 1, "b": "y", "l": [1, 2]}, {"a": 2}) is holds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *(
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
        ),
        *((11_400, "3h10m"), (86_400, "24h"), (172_800, "2d"), (180_000, "2d2h"), (700_000, "8d")),
        (86_400 * 800, "2y70d"),
    ],
)
def test_durations_are_kubectls(seconds: int, words: str) -> None:
    assert tables.duration(seconds) == words


def test_pages_end_and_are_forgotten_in_time() -> None:
    pages = Pages()
    records: list[Any] = list(range(5))
    first, token, remaining = pages.begin(records, 7, 2)
    assert (first, remaining) == ([0, 1], 3)
    assert pages.follow(token, 0)[:2] == ([2, 3, 4], 7)
    for _ in range(OPEN_LISTS):
        pages.begin(records, 8, 2)
    with pytest.raises(ApiError) as refused:
        pages.follow(token, 2)
    assert refused.value.code == 410


@pytest.mark.parametrize("token", ["%%%", "bm9wZQ=="])
def test_a_foreign_page_token_is_refused(token: str) -> None:
    with pytest.raises(ApiError) as refused:
        Pages().follow(token, 2)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/n/pods/p/log", {}, ("get", "pods", "n", "p", "log")),
        ("GET", "/api/v1/namespaces/n", {}, ("get", "namespaces", "", "n", "")),
        ("PUT", "/api/v1/namespaces/n/finalize", {}, ("update", "namespaces", "", "n", "finalize")),
        (
            "GET",
            "/apis/apps/v1/namespaces/n/deployments",
            {"watch": "1"},
            ("watch", "deployments.apps", "n", "", ""),
        ),
        ("GET", "/api/v1/watch/pods", {}, ("watch", "pods", "", "", "")),
        ("DELETE", "/api/v1/namespaces/n/pods", {}, ("deletecollection", "pods", "n", "", "")),
        (
            "PATCH",
            "/apis/laneway.dev/v1alpha1/lanes/a.b/status",
            {},
            ("patch", "lanes.laneway.dev", "", "a.b", "status"),
        ),
    ],
)
def test_requests_are_read(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    call = requests.read(method, path, query)
    assert call is not None
    assert (call.verb, call.resource, call.namespace, call.name, call.subresource) == expected


@pytest.mark.parametrize("path", ["/", "/api", "/apis/apps", "/version", "/apis/apps/v1"])
def test_other_paths_are_no_resource(path: str) -> None:
    assert requests.read("GET", path, {}) is None


@pytest.mark.parametrize("text", ["0", "1", "1.5", "100m", "1Gi", "1e3", "5E", ".5", "+1k"])
def test_quantities(text: str) -> None:
    assert syntax.quantity(text) == ""


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1.2.3", "1KiB", None, True, []])
def test_what_is_no_quantity(text: Any) -> None:
    assert syntax.quantity(text)


def test_names_at_their_limits() -> None:
    assert (syntax.label("a" * 63), syntax.subdomain("a" * 253)) == ("", "")
    assert syntax.label("a" * 64) and syntax.subdomain("a" * 254) and syntax.label("a\n")


def test_a_rule_is_used_up() -> None:
    rule = Rule("fail", method="GET", count=1)
    assert rule.matches("GET", "/x", None, "")
    rule.hits = 1
    assert not rule.matches("GET", "/x", None, "")
