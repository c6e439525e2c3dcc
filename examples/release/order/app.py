"""Takes orders, asks payment."""

from hop import build

VERSION = "1"

app = build("order", VERSION, forwards="header")
