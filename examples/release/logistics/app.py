"""Sends it; the last hop."""

from hop import build

VERSION = "1"

app = build("logistics", VERSION, forwards="header")
