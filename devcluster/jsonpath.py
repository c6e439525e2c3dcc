"""The JSONPath of printer columns: fields, indexes, wildcards, and filters by equality."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Path = Callable[[Any], list[Any]]
Step = Callable[[Any], list[Any]]

_TOKEN = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\\])+)"""
    r"""|\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]"""
    r"""|\[\?\(@\.(?P<filter>[\w./-]+)\s*==\s*(?P<value>"[^"]*"|'[^']*'|[^)]+)\)\]"""
    r"""|\[(?P<index>-?\d+)\]"""
    r"""|\[(?P<all>\*)\]"""
)


def compile_(text: str) -> Path:
    """The function that finds what a path leads to; ValueError when the path is malformed."""
    steps, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is no JSONPath from {text[position:]!r} on")
        steps.append(_step(match))
        position = match.end()

    def find(obj: Any) -> list[Any]:
        found = [obj]
        for step in steps:
            found = [inner for value in found for inner in step(value)]
        return found

    return find


def _step(match: re.Match[str]) -> Step:
    if match["filter"]:
        return _filter(match["filter"].split("."), _literal(match["value"]))
    if match["index"]:
        return _index(int(match["index"]))
    name = match["quoted"] if match["quote"] else (match["field"] or "*").replace("\\.", ".")
    if match["all"] or name == "*":
        return lambda value: (
            list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        )
    return lambda value: [value[name]] if isinstance(value, dict) and name in value else []


def _index(index: int) -> Step:
    def step(value: Any) -> list[Any]:
        inside = isinstance(value, list) and -len(value) <= index < len(value)
        return [value[index]] if inside else []

    return step


def _literal(text: str) -> Any:
    text = text.strip()
    if text[0] in "'\"":
        return text[1:-1]
    return json.loads(text)


def _filter(path: list[str], wanted: Any) -> Step:
    def holds(item: Any) -> bool:
        for name in path:
            item = item.get(name) if isinstance(item, dict) else None
        return bool(item == wanted)

    return lambda value: [item for item in value if holds(item)] if isinstance(value, list) else []
