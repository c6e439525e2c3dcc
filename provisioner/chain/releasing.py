"""Reads the `release` section of a chain file: how the chain is released. Pure.

`spec.strategy` of a Release has the same shape and is read by the same grammar (`strategy_of`). What each key
means is said in `strategy`; a key that could have no effect beside the others is an error, because somebody
relies on it. What a driver cannot do is said of chain files alone: a Release is of a chain that was read.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import yaml

from provisioner.chain import measures, spans, syntax
from provisioner.chain.document import Document, Fields, Value
from provisioner.chain.model import Driver
from provisioner.chain.strategy import (
    AT_ONCE,
    NONE,
    STEPS,
    Audience,
    Busy,
    Finish,
    Manner,
    Step,
    Sticky,
    Strategy,
)

Json = dict[str, Any]

KEYS = (
    *("strategy", "steps", "sticky", "audience", "analysis", "finish"),
    *("progressDeadline", "maxSurge", "whenBusy", "onPush", "notify"),
)
STEP_KEYS = ("setWeight", "pause", "analysis")
MOST_STEPS = 100
MOST_PODS = 10_000
LONGEST = timedelta(days=30)
MOMENT = timedelta(seconds=1)
BOUNDS = "from 1s to 30d,"
UNREAD = -1  # a weight that is wrong


def read(value: Value | None, driver: Driver | None) -> Strategy:
    """The strategy; its defaults where the section is left out."""
    if value is None:
        return Strategy()
    fields = value.fields(*KEYS)
    manner = fields.choice("strategy", Manner, Manner.CANARY)
    return Strategy(
        manner=manner,
        steps=_steps(fields, manner, measured=fields.get("analysis") is not None),
        sticky=_told_apart(value, fields.get("sticky"), driver),
        audience=_audience(fields, driver),
        analysis=measures.read(fields.get("analysis"), driver),
        finish=fields.choice("finish", Finish, Finish.APPLY),
        deadline=_span(fields.get("progressDeadline")) or Strategy.deadline,
        busy=fields.choice("whenBusy", Busy, Busy.REFUSE),
        on_push=fields.flag("onPush", default=False),
        max_surge=fields.integer("maxSurge", 0, least=1, most=MOST_PODS) or None,
        notify=tuple(item.text(syntax.called_url) for item in fields.items("notify")),
    )


def strategy_of(data: Json, source: str) -> Strategy:
    """The strategy that `Strategy.to_json` wrote, or somebody by hand; `source` names its object in messages.

    Raises ConfigError whose text says all that is wrong, a line each.
    """
    return _parsed(yaml.dump({"strategy": data}, Dumper=_Plain, sort_keys=False), source)


@lru_cache(maxsize=128)
def _parsed(text: str, source: str) -> Strategy:
    """A release is read often, and its strategy stays as it is."""
    document = Document(source)
    root = document.root(text)
    found = read(root.entries()["strategy"], None) if root else Strategy()
    document.close()
    return found


class _Plain(yaml.SafeDumper):
    """Writes numbers with a point and without an exponent, as chain files have them, and no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", f"{value:.9f}")


_Plain.add_representer(float, _number)


def _steps(fields: Fields, manner: Manner, measured: bool) -> tuple[Step, ...]:
    usual = STEPS if manner is Manner.CANARY else AT_ONCE
    value = fields.get("steps")
    if value is None:
        return usual
    items = value.items()
    if value.is_list and not 1 <= len(items) <= MOST_STEPS:
        value.fail(f"must list from 1 to {MOST_STEPS} steps")
    steps = tuple(_step(item, manner, measured) for item in items)
    _rise(items, steps)
    return steps or usual


def _step(value: Value, manner: Manner, measured: bool) -> Step:
    fields = value.fields(*STEP_KEYS)
    pause = fields.get("pause")
    manual = pause is not None and pause.is_mapping and not pause.entries()
    return Step(
        weight=_weight(fields.required("setWeight"), manner),
        pause=None if manual else _pause(pause),
        manual=manual,
        analysis=_analysed(fields.get("analysis"), measured),
    )


def _weight(value: Value | None, manner: Manner) -> int:
    """The percent; one that is wrong, and said to be, is UNREAD."""
    found = value.integer() if value else None
    if value is None or found is None:
        return UNREAD
    if not 0 <= found <= 100:
        value.fail(f"must be from 0 to 100 percent, not {found}")
        return UNREAD
    if manner is Manner.BLUE_GREEN and found < 100:
        value.fail(f"is {found}, but a blue-green release goes from 0 to 100 at once; write strategy: canary")
    return found


def _pause(value: Value | None) -> timedelta | None:
    """`pause: 1m`, or `pause: {duration: 1m}`."""
    if value is not None and value.is_mapping:
        value = value.fields("duration").get("duration")
    return _span(value)


def _analysed(value: Value | None, measured: bool) -> timedelta | None:
    if value is not None and not measured:
        value.fail("measures nothing: the release has no `analysis` section")
    return _span(value)


def _rise(items: list[Value], steps: tuple[Step, ...]) -> None:
    """Notes a step that takes no more requests than the one before it, and a last one below 100."""
    known = [(item, step.weight) for item, step in zip(items, steps, strict=True) if step.weight != UNREAD]
    for (_, before), (item, weight) in pairwise(known):
        if weight <= before:
            item.fail(f"does not rise: setWeight is {weight} after {before}")
    if steps and steps[-1].weight not in (100, UNREAD):
        items[-1].fail(f"is the last and must be 100, not {steps[-1].weight}: the baseline follows then")


def _told_apart(section: Value, value: Value | None, driver: Driver | None) -> Sticky:
    """By what users are told apart, as far as this driver can."""
    found = _sticky(value)
    if driver is Driver.GATEWAY_API and (found.cookie or found.header):
        (value or section).fail(
            "the Gateway API cannot keep a user on one version: write sticky: none, by which each request is"
            " decided by itself, or use driver: envoy or istio"
        )
    if driver is Driver.ISTIO and found.header and value:
        value.fail("with driver: istio users are told apart by the cookie alone; take header away")
    return found


def _sticky(value: Value | None) -> Sticky:
    if value is None:
        return Sticky()
    if not value.is_mapping:
        value.text(
            lambda text: "" if text == NONE else f"must be none, or have cookie or header, not {text[:80]!r}"
        )
        return Sticky(cookie="")
    fields = value.fields("cookie", "header")
    cookie = fields.text("cookie", syntax.cookie, default=Sticky.cookie)
    return Sticky("" if cookie == NONE else cookie, fields.text("header", syntax.header).lower())


def _audience(fields: Fields, driver: Driver | None) -> Audience:
    value = fields.get("audience")
    given = value.fields("header", "cookie") if value else fields.none
    if driver is Driver.GATEWAY_API and (by_cookie := given.get("cookie")):
        by_cookie.fail(
            "is only a part of a header, and routes of the Gateway API match whole ones; name a header"
        )
    header, cookie = _named(given, "header"), _named(given, "cookie")
    return Audience(header[0].lower(), header[1], *cookie)


def _named(fields: Fields, key: str) -> tuple[str, str]:
    value = fields.get(key)
    if value is None:
        return "", ""
    given = value.fields("name", "value")
    check = syntax.header if key == "header" else syntax.cookie
    return given.required_text("name", check), given.required_text("value", syntax.plain_value)


def _span(value: Value | None) -> timedelta | None:
    return spans.read(value, MOMENT, LONGEST, BOUNDS) if value else None
