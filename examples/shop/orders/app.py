"""Takes the order, asks payment. Not instrumented: it copies the lane's header by hand."""

from hop import build

VERSION = "1"

app = build("orders", VERSION, forwards="header")
