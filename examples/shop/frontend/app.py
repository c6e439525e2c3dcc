"""The shop's front door: asks orders. Browsers get a page, everybody else JSON."""

from hop import build
from page import render

VERSION = "1"

app = build("frontend", VERSION, page=render)
