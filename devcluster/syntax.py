"""The syntaxes of names, labels and quantities; each function says what is wrong, or nothing."""

from __future__ import annotations

import re
from typing import Any

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")
_ENV = re.compile(r"[ -<>-~]+\Z")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")
_QUANTITY = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?\Z")
_PATH_SEGMENT = ("/", "%")

LABEL_LIMIT, NAME_LIMIT = 63, 253

_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_WORDS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex "
    "used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUANTITY_WORDS = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def label(value: str) -> str:
    if len(value) > LABEL_LIMIT:
        return _too_long(LABEL_LIMIT)
    return "" if _LABEL.match(value) else _LABEL_WORDS


def label_1035(value: str) -> str:
    if len(value) > LABEL_LIMIT:
        return _too_long(LABEL_LIMIT)
    return "" if _LABEL_1035.match(value) else _LABEL_1035_WORDS


def subdomain(value: str) -> str:
    if len(value) > NAME_LIMIT:
        return _too_long(NAME_LIMIT)
    return "" if _SUBDOMAIN.match(value) else _SUBDOMAIN_WORDS


def path_segment(value: str) -> str:
    if value in (".", ".."):
        return f"may not be '{value}'"
    return next((f"may not contain '{sign}'" for sign in _PATH_SEGMENT if sign in value), "")


def qualified(value: str) -> str:
    """A label or annotation key: an optional DNS prefix, a slash, and a name."""
    prefix, slash, name = value.rpartition("/")
    if slash and (wrong := subdomain(prefix) if prefix else "prefix part must be non-empty"):
        return wrong if wrong.startswith("prefix") else f"prefix part {wrong}"
    if not name:
        return "name part must be non-empty"
    if len(name) > LABEL_LIMIT:
        return f"name part {_too_long(LABEL_LIMIT)}"
    return "" if _QUALIFIED.match(name) else _QUALIFIED_WORDS


def label_value(value: str) -> str:
    if len(value) > LABEL_LIMIT:
        return _too_long(LABEL_LIMIT)
    return "" if _VALUE.match(value) else _VALUE_WORDS


def env_name(value: str) -> str:
    return (
        ""
        if _ENV.match(value)
        else "a valid environment variable name must consist only of printable ASCII characters but '='"
    )


def config_key(value: str) -> str:
    if _CONFIG_KEY.match(value) and len(value) <= NAME_LIMIT:
        return ""
    return (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
        "'key.name',  or 'KEY_NAME',  "
        "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )


def quantity(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ""
    return "" if isinstance(value, str) and _QUANTITY.match(value) else _QUANTITY_WORDS


def port(value: Any) -> str:
    inside = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535
    return "" if inside else "must be between 1 and 65535, inclusive"


def port_name(value: str) -> str:
    if len(value) > 15:
        return "must be no more than 15 bytes"
    if not re.search("[a-z]", value):
        return "must contain at least one letter (a-z)"
    if "--" in value:
        return "must not contain consecutive hyphens"
    return (
        ""
        if _LABEL.match(value)
        else "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    )
