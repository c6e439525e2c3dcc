"""Headers, paths and other texts of a request, held against the matches of routes. Pure.

As Envoy does: names of headers regardless of case, each value of a repeated header by itself, expressions
against the whole value. Python's expressions stand in for RE2's, and know all that Laneway writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from provisioner.routing.explain.story import Request


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> re.Pattern[str] | None:
    """None for an expression that nothing can match."""
    try:
        return re.compile(expression)
    except re.error:
        return None


def full(expression: str, text: str) -> bool:
    """Whether an expression matches the whole of a text."""
    pattern = _compiled(expression)
    return pattern is not None and pattern.fullmatch(text) is not None


def text(match: Mapping[str, str], value: str, *, fold: bool = False) -> bool:
    """Whether a value is as one of `exact`, `prefix` and `regex` asks; without any, it need only be there.
    `fold`: regardless of case."""
    if "regex" in match:
        return full(("(?i)" if fold else "") + match["regex"], value)
    kind = next((one for one in ("exact", "prefix") if one in match), "")
    wanted = match.get(kind, "")
    if fold:
        value, wanted = value.lower(), wanted.lower()
    return value == wanted if kind == "exact" else value.startswith(wanted)


def header(request: Request, name: str, match: Mapping[str, str]) -> bool:
    """Whether any value of a header is as asked."""
    return any(text(match, value) for value in request.values(name))


def path_prefix(prefix: str, path: str) -> bool:
    """Whether a path lies below a prefix, by whole segments, as Gateway API has it."""
    bare = prefix.rstrip("/")
    return path == bare or path.startswith(f"{bare}/")


def host_covers(pattern: str, host: str) -> bool:
    """Whether a hostname, `*` or `*.DOMAIN` covers a host."""
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))
