"""Who may name a lane where a chain is entered: the rules that every driver keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.chain.model import Entry, Trust, Untrusted
from provisioner.routing.entry import PRECEDENCE, Carrier, Verdict, configured, counted, judge

EVERYTHING = Entry("frontend", "{lane}.preview.example.com", cookie="preview-lane", link="preview")
SAID = {carrier: f"by-{carrier}" for carrier in Carrier}


def test_the_header_wins_over_baggage_over_a_link_over_a_cookie_over_the_host() -> None:
    assert PRECEDENCE == (Carrier.HEADER, Carrier.BAGGAGE, Carrier.LINK, Carrier.COOKIE, Carrier.HOST)
    for place, carrier in enumerate(PRECEDENCE):
        said = {one: SAID[one] for one in PRECEDENCE[place:]}
        assert judge(EVERYTHING, said) == Verdict(f"by-{carrier}", carrier)


def test_a_chain_has_header_and_baggage_and_what_its_file_names_beside() -> None:
    assert configured(Entry("frontend")) == (Carrier.HEADER, Carrier.BAGGAGE)
    assert configured(Entry("frontend", cookie="c")) == (Carrier.HEADER, Carrier.BAGGAGE, Carrier.COOKIE)
    assert configured(EVERYTHING) == PRECEDENCE


def test_what_the_chain_does_not_have_names_no_lane_and_is_nothing_to_take_away() -> None:
    assert judge(Entry("frontend"), {Carrier.COOKIE: "pr-4", Carrier.HOST: "pr-4"}) == Verdict()


@pytest.mark.parametrize("carrier", Carrier)
def test_with_trust_in_signatures_only_a_link_counts(carrier: Carrier) -> None:
    verdict = judge(replace(EVERYTHING, trust=Trust.SIGNED), {carrier: "pr-4"})
    if carrier is Carrier.LINK:
        assert verdict == Verdict("pr-4", Carrier.LINK)
    else:
        assert verdict == Verdict(ignored=True)


def test_a_signature_opens_its_own_lane_whatever_else_the_request_names() -> None:
    assert judge(replace(EVERYTHING, trust=Trust.SIGNED), SAID) == Verdict("by-link", Carrier.LINK)


@pytest.mark.parametrize("carrier", Carrier)
def test_without_trust_nothing_from_outside_counts(carrier: Carrier) -> None:
    assert judge(replace(EVERYTHING, trust=Trust.NONE), {carrier: "pr-4"}) == Verdict(ignored=True)


@pytest.mark.parametrize("trust", [Trust.SIGNED, Trust.NONE])
def test_from_the_chains_own_networks_everything_counts(trust: Trust) -> None:
    entry = replace(EVERYTHING, trust=trust, networks=("10.0.0.0/8",))
    assert counted(entry, inside=True) == PRECEDENCE
    assert judge(entry, SAID, inside=True) == Verdict("by-header", Carrier.HEADER)


def test_a_request_that_names_a_lane_without_right_can_be_forbidden() -> None:
    entry = replace(EVERYTHING, trust=Trust.SIGNED, untrusted=Untrusted.FORBIDDEN)
    assert judge(entry, {Carrier.HOST: "pr-4"}) == Verdict(forbidden=True, ignored=True)


def test_a_request_that_names_no_lane_is_never_forbidden() -> None:
    for trust in Trust:
        entry = replace(EVERYTHING, trust=trust, untrusted=Untrusted.FORBIDDEN)
        assert judge(entry, {}) == Verdict()
