"""What a browser gets: the services that a request passed through, in call order, each with its lane."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8a8f98; --lane: #0b7a4b; --quiet: #6b7280 }
body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 62rem; padding: 0 1.5rem }
h1 { font-size: 1.5rem; margin: 0 }
p { color: var(--quiet); margin: .25rem 0 2rem }
ol { display: flex; flex-wrap: wrap; gap: 2.5rem; list-style: none; margin: 0; padding: 0 }
li { border: 2px solid var(--line); border-radius: .5rem; min-width: 8.5rem; padding: .75rem 1rem }
li { position: relative }
li + li::before { color: var(--line); content: "\\2192"; font-size: 1.5rem; position: absolute }
li + li::before { left: -2rem; top: 1.2rem }
li.lane { border-color: var(--lane); box-shadow: inset 0 .3rem var(--lane) }
b, span { display: block }
span { color: var(--quiet); font-size: .875rem }
li.lane span:last-child { color: var(--lane); font-weight: 600; overflow-wrap: anywhere }
"""


def render(answer: dict[str, Any]) -> str:
    """The page for what `GET /` answers as JSON: `hops`, and `error` where a hop could not be asked."""
    hops = answer["hops"]
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title>
<link rel="icon" href="data:,"><style>{STYLE}</style></head>
<body><h1>Shop</h1>
<p>{escape(answer.get("error") or _told(hops))}</p>
<ol>{"".join(map(_box, hops))}</ol></body>
</html>
"""


def _told(hops: list[dict[str, str]]) -> str:
    lanes = sorted({hop["lane"] for hop in hops if hop["lane"]})
    if not lanes:
        return "Every service that this page came through is the baseline: what everybody uses."
    own = ", ".join(hop["service"] for hop in hops if hop["lane"])
    return f"This page came through lane {', '.join(lanes)}: {own}. The other services are the baseline."


def _box(hop: dict[str, str]) -> str:
    service, version, lane = (escape(hop[key]) for key in ("service", "version", "lane"))
    where = f'<li class="lane"><b>{service}</b>' if lane else f"<li><b>{service}</b>"
    return f"{where}<span>version {version}</span><span>{lane or 'baseline'}</span></li>"
