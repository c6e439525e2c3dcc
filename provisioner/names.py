"""Names: of lanes from branches, of copies from a lane and the name of what is copied. Pure.

Promises: every name is a valid DNS label of at most 63 characters; the same input gives the same name for
ever; different inputs give different names. The last holds by construction where a name is readable as it
is, and by a hash of the original where something had to be left out:

- A branch that is a DNS label already is its lane's name, unchanged. Any other gets a readable slug, a hyphen
  and 7 hexadecimal digits of its SHA-256: `feature/a`, `feature-a` and `Feature/A` are three lanes. A label
  that ends like a hashed one is hashed too, so no branch is named like the lane of another.
  (Seven digits and not six or eight: branches that end in a ticket's number or a date stay as they are.)
- No lane's name has two hyphens in a row. A copy is called NAME--LANE, which can be split in one way only; a
  name that is cut, or whose parts have `--` themselves, gets slug and hash instead, and then has no `--`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

LABEL_LIMIT = 63
STATEFULSET_LIMIT = 52  # a longer one is accepted and gets no pod: its revision label would not fit
RESERVED = frozenset({"baseline", "none"})  # what `x-preview-lane-served` says where no lane answered

_DIGITS = 7
_LABEL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HASHED = re.compile(rf".*-[0-9a-f]{{{_DIGITS}}}")
_MODULUS = 2**31 - 1


def lane_name(branch: str, fork: str = "") -> str:
    """The lane of a branch; `fork` is the owner of the fork that the branch lies in, empty for none.

    Takes any text, valid as a branch or not. A fork's lane is named after OWNER:BRANCH, which no branch of
    the repository itself can be called, since git allows no colon there.
    """
    original = f"{fork.lower()}:{branch}" if fork else branch
    if _is_plain(original, LABEL_LIMIT) and not _HASHED.fullmatch(original) and original not in RESERVED:
        return original
    return _with_hash(_slug(original, LABEL_LIMIT - _DIGITS - 1) or "lane", original)


def derived(name: str, lane: str, limit: int = LABEL_LIMIT) -> str:
    """The name of the copy of `name` in `lane`: `payment--pr-42`, at most `limit` characters (30 or more).

    Two letters before the `--` are hashed as well: such labels are reserved (RFC 5890, section 2.3.1).
    """
    readable = f"{name}--{lane}"
    if len(readable) <= limit and _is_plain(name) and _is_plain(lane) and len(name) != 2:
        return readable
    room = limit - _DIGITS - 2
    tail = _slug(lane, max(room // 2, room - len(name)))
    head = _slug(name, room - len(tail))
    return _with_hash("-".join(part for part in (head, tail) if part), f"{name}/{lane}")


def shard(lane: str, shards: int) -> int:
    """The number, from 0, of the cluster that holds a lane's endpoints.

    The router's Lua filter computes the same number, so the arithmetic stays exact in doubles.
    """
    value = 0
    for byte in lane.encode():
        value = (value * 31 + byte) % _MODULUS
    return value % shards


def is_label(text: str) -> bool:
    """Whether `text` is a DNS label (RFC 1123), as Kubernetes asks of most names."""
    return len(text) <= LABEL_LIMIT and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text) is not None


def _is_plain(text: str, limit: int = 253) -> bool:
    return len(text) <= limit and _LABEL.fullmatch(text) is not None


def _slug(text: str, limit: int) -> str:
    """What is readable of `text`, at most `limit` characters: letters without their accents, digits, and one
    hyphen for every run of anything else. Empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", text[: 4 * limit]).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:limit].strip("-")


def _with_hash(slug: str, original: str) -> str:
    # surrogatepass: JSON can carry halves of characters, which plain UTF-8 refuses
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{slug}-{digest[:_DIGITS]}"
