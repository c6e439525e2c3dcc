"""The part of CEL that validation rules mostly use, evaluated over JSON.

Known: field access, indexes, literals, lists, `!`, comparison, `in`, `&&`, `||`, `? :`, `+`, `-`, `has()`,
`size()`, and the methods `startsWith`, `endsWith`, `contains`, `matches`, `size`, `all`, `exists`. A rule
with anything else is not enforced here: `holds` answers None, as the README says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Scope = dict[str, Any]
Term = Callable[[Scope], Any]


class Unsupported(Exception):
    """The rule uses a part of CEL that is not known here."""


class Absent(Exception):
    """A field that is not there was asked for."""


_TOKENS = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<string>r?'(?:\\.|[^'\\])*'|r?\"(?:\\.|[^\"\\])*\")"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<op>&&|\|\||[=!<>]=|[-+!<>?:.,()\[\]%*/]))"
)


def holds(rule: str, value: Any, old: Any) -> bool | None:
    """Whether the rule is true of a value (and the one before it); None when it cannot be evaluated here."""
    try:
        return bool(_compile(rule)({"self": value, "oldSelf": old}))
    except Absent:
        return False
    except (Unsupported, TypeError, IndexError):
        return None


@lru_cache(maxsize=512)
def _compile(rule: str) -> Term:
    parser = _Parser(_tokens(rule))
    term = parser.ternary()
    if parser.peek():
        raise Unsupported(f"{parser.peek()!r} in {rule!r}")
    return term


def _tokens(text: str) -> list[str]:
    found, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise Unsupported(text[position:])
        found.append(match.group().strip())
        position = match.end()
    return found


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
}

_METHODS: dict[str, Callable[..., Any]] = {
    "startsWith": lambda text, start: text.startswith(start),
    "endsWith": lambda text, end: text.endswith(end),
    "contains": lambda text, part: part in text,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "size": len,
}


class _Parser:
    """A descent over tokens; each level of binding strength is one method."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise Unsupported(f"{token!r} where {wanted!r} was due")
        self.at += 1
        return token

    def accept(self, wanted: str) -> bool:
        if self.peek() != wanted:
            return False
        self.at += 1
        return True

    def ternary(self) -> Term:
        condition = self.either()
        if not self.accept("?"):
            return condition
        yes = self.ternary()
        self.take(":")
        no = self.ternary()
        return lambda scope: yes(scope) if condition(scope) else no(scope)

    def either(self) -> Term:
        terms = [self.both()]
        while self.accept("||"):
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else lambda scope: any(term(scope) for term in terms)

    def both(self) -> Term:
        terms = [self.comparison()]
        while self.accept("&&"):
            terms.append(self.comparison())
        return terms[0] if len(terms) == 1 else lambda scope: all(term(scope) for term in terms)

    def comparison(self) -> Term:
        left = self.sum()
        if self.peek() not in _COMPARE:
            return left
        compare = _COMPARE[self.take()]
        right = self.sum()
        return lambda scope: compare(left(scope), right(scope))

    def sum(self) -> Term:
        term = self.unary()
        while self.peek() in ("+", "-"):
            term = _added(term, self.unary()) if self.take() == "+" else _subtracted(term, self.unary())
        return term

    def unary(self) -> Term:
        if self.accept("!"):
            term = self.unary()
            return lambda scope: not term(scope)
        if self.accept("-"):
            term = self.unary()
            return lambda scope: -term(scope)
        return self.member()

    def member(self) -> Term:
        term = self.primary()
        while True:
            if self.accept("."):
                term = self._after_dot(term, self.take())
            elif self.accept("["):
                index = self.ternary()
                self.take("]")
                term = _indexed(term, index)
            else:
                return term

    def _after_dot(self, term: Term, name: str) -> Term:
        if self.peek() != "(":
            return _field(term, name)
        self.take("(")
        if name in ("all", "exists"):
            variable = self.take()
            self.take(",")
            body = self.ternary()
            self.take(")")
            return _quantified(term, variable, body, all if name == "all" else any)
        arguments = self._arguments()
        if name not in _METHODS:
            raise Unsupported(name)
        method = _METHODS[name]
        return lambda scope: method(term(scope), *(argument(scope) for argument in arguments))

    def _arguments(self) -> list[Term]:
        found: list[Term] = []
        while not self.accept(")"):
            found.append(self.ternary())
            self.accept(",")
        return found

    def primary(self) -> Term:
        token = self.take()
        if token == "(":
            inner = self.ternary()
            self.take(")")
            return inner
        if token == "[":
            return self._list()
        if token[0] in "'\"" or token[:2] in ("r'", 'r"'):
            text = token[2:-1] if token[0] == "r" else token[1:-1].encode().decode("unicode_escape")
            return lambda scope: text
        if token[0].isdigit():
            number = float(token) if "." in token else int(token)
            return lambda scope: number
        return self._name(token)

    def _list(self) -> Term:
        items: list[Term] = []
        while not self.accept("]"):
            items.append(self.ternary())
            self.accept(",")
        return lambda scope: [item(scope) for item in items]

    def _name(self, token: str) -> Term:
        if token in ("true", "false", "null"):
            literal = {"true": True, "false": False, "null": None}[token]
            return lambda scope: literal
        if token == "has":
            return self._has()
        if self.accept("("):
            arguments = self._arguments()
            if token != "size":
                raise Unsupported(token)
            return lambda scope: len(arguments[0](scope))
        return _variable(token)

    def _has(self) -> Term:
        self.take("(")
        inner = self.member()
        self.take(")")
        return lambda scope: _present(inner, scope)


def _present(term: Term, scope: Scope) -> bool:
    try:
        term(scope)
    except Absent:
        return False
    return True


def _added(left: Term, right: Term) -> Term:
    return lambda scope: left(scope) + right(scope)


def _subtracted(left: Term, right: Term) -> Term:
    return lambda scope: left(scope) - right(scope)


def _variable(name: str) -> Term:
    def read(scope: Scope) -> Any:
        if name not in scope:
            raise Unsupported(name)
        return scope[name]

    return read


def _field(term: Term, name: str) -> Term:
    def read(scope: Scope) -> Any:
        value = term(scope)
        if not isinstance(value, dict) or name not in value:
            raise Absent(name)
        return value[name]

    return read


def _indexed(term: Term, index: Term) -> Term:
    def read(scope: Scope) -> Any:
        value, key = term(scope), index(scope)
        if isinstance(value, dict) and key not in value:
            raise Absent(str(key))
        return value[key]

    return read


def _quantified(term: Term, variable: str, body: Term, combine: Callable[[Any], bool]) -> Term:
    return lambda scope: combine(body({**scope, variable: item}) for item in term(scope))
