"""Takes the money, asks logistics."""

from hop import build

VERSION = "1"

app = build("payment", VERSION, forwards="header")
