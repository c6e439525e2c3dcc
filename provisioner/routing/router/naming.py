"""Names of the router's objects. Pure."""

from __future__ import annotations

import hashlib

from provisioner.names import LABEL_LIMIT


def fitted(text: str, suffix: str = "") -> str:
    """`text` and `suffix` as they are where they fit a DNS label; else cut, with a hash of the whole."""
    if len(text) + len(suffix) <= LABEL_LIMIT:
        return text + suffix
    digest = "-" + hashlib.sha256(text.encode()).hexdigest()[:7]
    return text[: LABEL_LIMIT - len(suffix) - len(digest)].rstrip("-") + digest + suffix
