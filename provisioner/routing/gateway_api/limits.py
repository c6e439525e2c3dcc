"""How much one HTTPRoute may hold; more is spread over more routes. Pure.

The limits are those of the API (CustomResourceDefinition httproutes, standard channel): 16 rules, 64 matches
a rule, and fewer than 128 matches in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]

MOST_RULES = 16
MOST_MATCHES_OF_A_RULE = 64
MOST_MATCHES = 127


def spread(rules: Iterable[Json]) -> Iterator[list[Json]]:
    """The rules in their order, in groups that one route can hold each."""
    rules = list(rules)
    if len(rules) <= MOST_RULES and sum(len(one["matches"]) for one in rules) <= MOST_MATCHES_OF_A_RULE:
        yield rules
        return
    group: list[Json] = []
    matches = 0
    for rule in (part for whole in rules for part in _parts(whole)):
        count = len(rule["matches"])
        if group and (len(group) == MOST_RULES or matches + count > MOST_MATCHES):
            yield group
            group, matches = [], 0
        group.append(rule)
        matches += count
    if group:
        yield group


def _parts(rule: Json) -> Iterator[Json]:
    """A rule as one or more, each with as many matches as it may have."""
    matches = rule["matches"]
    if len(matches) <= MOST_MATCHES_OF_A_RULE:
        yield rule
        return
    for start in range(0, len(matches), MOST_MATCHES_OF_A_RULE):
        yield {**rule, "matches": matches[start : start + MOST_MATCHES_OF_A_RULE]}
