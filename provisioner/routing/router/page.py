"""The page that a browser waits with. Pure. It comes again by itself, and needs neither scripts nor anything
from elsewhere."""

from __future__ import annotations

from html import escape
from string import Template

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="$seconds">
<title>$title</title>
<style>
  :root { color-scheme: light dark; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center;
         background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif; }
  main { max-width: 32rem; padding: 2rem; text-align: center; }
  h1 { margin: 1.5rem 0 .5rem; font-size: 1.4rem; font-weight: 600; overflow-wrap: anywhere; }
  p { margin: .25rem 0; opacity: .75; }
  .road { height: 4px; border-radius: 2px; overflow: hidden;
          background: color-mix(in srgb, CanvasText 15%, Canvas); }
  .road::before { content: ""; display: block; width: 30%; height: 100%; border-radius: 2px;
                  background: #2f6fdb; animation: drive 1.4s ease-in-out infinite alternate; }
  @keyframes drive { from { transform: translateX(0); } to { transform: translateX(233%); } }
  @media (prefers-reduced-motion: reduce) { .road::before { animation: none; width: 100%; } }
</style>
</head>
<body>
<main>
  <div class="road" role="presentation"></div>
  <h1>$title</h1>
  <p>$why</p>
  <p>This page reloads by itself.</p>
</main>
</body>
</html>
""")


def waiting(title: str, why: str, seconds: int) -> str:
    """The page as HTML; it is loaded again after so many seconds."""
    return _PAGE.substitute(title=escape(title), why=escape(why), seconds=seconds)
