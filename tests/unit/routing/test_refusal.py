"""What clients are told that could not be passed on."""

from __future__ import annotations

import pytest

from provisioner.routing.router.holds import Result, Target
from provisioner.routing.router.refusal import told

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TARGET = Target("shop", "shop", "payment", 8080, "pr-4")


@pytest.mark.parametrize("result", [Result.LATE, Result.CROWDED, Result.RELEASED])
@pytest.mark.parametrize("accept", [BROWSER, "application/json"])
def test_everybody_learns_when_to_come_again_and_nobody_keeps_the_answer(result: Result, accept: str) -> None:
    found = told(result, TARGET, "GET", accept)
    assert int(found.headers["retry-after"]) >= 1
    assert found.headers["cache-control"] == "no-store"
    assert "pr-4" in found.body


@pytest.mark.parametrize(
    ("method", "accept", "page"),
    [
        ("GET", BROWSER, True),
        ("HEAD", "TEXT/HTML", True),
        ("POST", BROWSER, False),
        ("GET", "image/avif,image/webp,*/*;q=0.8", False),
        ("GET", "*/*", False),
        ("GET", "", False),
    ],
)
def test_only_a_browser_that_asks_for_a_page_gets_one(method: str, accept: str, page: bool) -> None:
    found = told(Result.LATE, TARGET, method, accept)
    assert found.body.startswith("<!doctype html>") is page
    assert found.headers["content-type"].startswith("text/html" if page else "text/plain")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = told(Result.LATE, TARGET, "GET", BROWSER).body
    assert not any(word in page for word in ("http:", "https:", "src=", "href=", "<script", "$"))


def test_no_name_can_become_markup() -> None:
    evil = Target("shop", "shop", "<script>", 8080, "<b>")
    assert "<script>" not in told(Result.LATE, evil, "GET", BROWSER).body
