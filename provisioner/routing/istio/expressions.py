"""Carriers as expressions of RE2, each for the whole value, and which values may be written at all. Pure.

Istio takes an expression or a header value as it is, and Envoy then refuses the whole route configuration of
a port, for every host in it, until somebody finds out. So nothing is written that could be refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from provisioner import names

# what names a lane: any DNS label; the two that none can have are nobody's line
LANE = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
ANYTHING = ".*"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_SPECIAL = re.compile(r"([^0-9A-Za-z_-])")
_BLANK = "[ \\t]*"
_MOST = 1024  # characters of a value: a longer one is a mistake


def baggage(key: str, lane: str) -> str:
    """Matches a `baggage` header (several are one, joined by commas) that has a member `key` with that lane:
    with spaces, properties and percent-encoding, as https://www.w3.org/TR/baggage/ allows."""
    return _member(key, "".join(map(_encoded, lane)))


def baggage_key(key: str) -> str:
    """Matches a `baggage` header that has a member `key`, whatever it says."""
    return f"(?:.*,)?{_BLANK}{_literal(key)}{_BLANK}=.*"


def any_baggage(key: str) -> str:
    """Matches a `baggage` header that names any lane."""
    return _member(key, LANE)


def cookie(name: str, lane: str) -> str:
    """Matches a `cookie` header that has this one (RFC 6265; HTTP/2 may send several, joined by `; `)."""
    return _cookie(name, _literal(lane))


def any_cookie(name: str) -> str:
    return _cookie(name, LANE)


def cookie_within(name: str, ranges: Iterable[tuple[int, int]]) -> str:
    """Matches a `cookie` header that has this one with a number in one of the ranges, their ends included,
    written without leading zeros. The expression grows with the numbers' digits, not with the ranges."""
    ways = [way for first, last in ranges for way in _numbers(first, last)]
    return _cookie(name, f"(?:{'|'.join(ways)})")


def host(lane: str, domain: str) -> str:
    """Matches the preview host of a lane, in any case, with any port."""
    return f"(?i:{_literal(f'{lane}.{domain}')})[.]?(?::[0-9]*)?"


def any_host(domain: str) -> str:
    """Matches the preview host of any lane."""
    return f"(?i:{LANE}{_literal(f'.{domain}')})[.]?(?::[0-9]*)?"


def either(*expressions: str) -> str:
    """Matches what one of them does."""
    return "|".join(f"(?:{one})" for one in expressions)


def illegal_name(header: str) -> bool:
    """Whether no header can be called so."""
    return not _TOKEN.fullmatch(header)


def illegal_value(value: str) -> bool:
    """Whether Envoy could refuse a header value: it takes a per cent sign for the start of a command."""
    return len(value) > _MOST or not value.isascii() or not value.isprintable() or "%" in value


def illegal_lane(lane: str) -> bool:
    """Whether a lane cannot be called so: its name goes into expressions, headers and names of objects."""
    return not names.is_label(lane) or lane in names.RESERVED


def _member(key: str, value: str) -> str:
    return f"(?:.*,)?{_BLANK}{_literal(key)}{_BLANK}={_BLANK}{value}{_BLANK}(?:[;,].*)?"


def _cookie(name: str, value: str) -> str:
    return f"(?:.*;)?{_BLANK}{_literal(name)}={value}{_BLANK}(?:;.*)?"


def _numbers(first: int, last: int) -> Iterator[str]:
    """Expressions that together match the numbers of a range."""
    for digits in range(len(str(first)), len(str(last)) + 1):
        least = 10 ** (digits - 1) if digits > 1 else 0
        yield from _between(str(max(first, least)), str(min(last, 10**digits - 1)))


def _between(low: str, high: str) -> Iterator[str]:
    """Those for the numbers between two that have as many digits."""
    if not low or low[0] == high[0]:
        yield from (low[:1] + rest for rest in (_between(low[1:], high[1:]) if low else ("",)))
        return
    nines, zeros = "9" * (len(low) - 1), "0" * (len(low) - 1)
    begins, ends = int(low[0]), int(high[0])
    if low[1:] != zeros:
        yield from (low[0] + rest for rest in _between(low[1:], nines))
        begins += 1
    if high[1:] != nines:
        yield from (high[0] + rest for rest in _between(zeros, high[1:]))
        ends -= 1
    if begins <= ends:
        yield (f"[{begins}-{ends}]" if begins < ends else str(begins)) + "[0-9]" * len(nines)


def _encoded(letter: str) -> str:
    """A letter, as it is or percent-encoded."""
    code = f"{ord(letter):02X}"
    digits = "".join(one if one.isdigit() else f"[{one}{one.lower()}]" for one in code)
    return f"(?:{_literal(letter)}|%{digits})"


def _literal(text: str) -> str:
    """Text that means itself. RE2 refuses escapes of letters and knows no others than these."""
    return _SPECIAL.sub(r"\\\1", text)
