"""Where requests go, through a real Envoy that a real discovery server configures."""

from __future__ import annotations


def test_a_request_without_a_lane_gets_the_baseline_and_no_word_of_lanes(running):
    assert running.ask() == (200, "baseline", None)


def test_a_request_with_the_header_gets_the_lane(running):
    assert running.ask({"x-preview-lane": "pr-4"}) == (200, "pr-4", "payment=pr-4")


def test_a_request_with_the_baggage_alone_gets_the_lane(running):
    assert running.ask({"baggage": "a=1,preview-lane=pr-4"}) == (200, "pr-4", "payment=pr-4")


def test_a_request_to_the_preview_host_gets_the_lane(running):
    assert running.ask({"host": "pr-4.preview.example.com"}) == (200, "pr-4", "payment=pr-4")


def test_an_unknown_lane_gets_the_baseline_which_says_so(running):
    assert running.ask({"x-preview-lane": "pr-42"}) == (200, "baseline", "payment=baseline")
