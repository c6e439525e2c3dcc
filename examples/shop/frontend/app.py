"""The shop's front door: asks orders."""

from hop import build

VERSION = "1"

app = build("frontend", VERSION)
