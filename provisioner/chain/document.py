"""A YAML document as values that know their line and their key's path. Pure.

For files that people write by hand: everything that is wrong is noted where it stands and reading goes on,
so that all of it can be said at once. Only plain data is read: no tags, no merge keys, no key twice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import yaml

from provisioner.errors import ConfigError

Choice = TypeVar("Choice", bound=StrEnum)
# What is wrong with a text, or empty.
Check = Callable[[str], str]

MOST_BYTES = 1_000_000
MOST_VALUES = 50_000
MOST_LEVELS = 16
_MOST_PROBLEMS = 100  # said at once; more help nobody

_TEXT, _INTEGER, _FLAG, _NULL, _FLOAT = (
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null", "float")
)
_DECIMAL = re.compile(r"\d{1,9}\.\d{0,9}")
_PLAIN = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null", "float", "timestamp", "map", "seq")
}


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong: `line` from 1, `path` such as `services.payment.paths[0]`, empty for all."""

    line: int
    path: str
    message: str


class Document:
    """A file being read: its values and what was found to be wrong with them so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def root(self, text: str) -> Value | None:
        """The document's value, or None when it cannot be read at all (and why is noted)."""
        node = self._compose(text)
        if node is None or not self._is_sane(node):
            return None
        return Value(self, node, "")

    def close(self) -> None:
        """Raises one ConfigError that says everything that is wrong, a line each, if anything is."""
        if not self.problems:
            return
        found = sorted(set(self.problems))
        said = [(self._where(problem), problem.message) for problem in found[:_MOST_PROBLEMS]]
        if len(found) > _MOST_PROBLEMS:
            said.append((self.source, f"and {len(found) - _MOST_PROBLEMS} more"))
        (where, first), *others = said
        raise ConfigError(
            "\n".join([first, *(f"{place}: {message}" for place, message in others)]), where=where
        )

    def note(self, line: int, path: str, message: str) -> None:
        self.problems.append(Problem(line, path, message))

    def _where(self, problem: Problem) -> str:
        place = f"{self.source}:{problem.line}"
        return f"{place}: {problem.path}" if problem.path else place

    def _compose(self, text: str) -> yaml.Node | None:
        if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
            self.note(1, "", f"is larger than {MOST_BYTES:,} bytes")
            return None
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError) as error:
            self.note(*_yaml_problem(error))
            return None
        if node is None:
            self.note(1, "", "is empty")
        return node

    def _is_sane(self, root: yaml.Node) -> bool:
        """Walks everything once, with a bound on number and depth: aliases could multiply without end."""
        count, waiting = 0, [(root, 0)]
        while waiting:
            node, level = waiting.pop()
            count += 1
            if level > MOST_LEVELS or count > MOST_VALUES:
                bound = f"{MOST_LEVELS} levels" if level > MOST_LEVELS else f"{MOST_VALUES:,} values"
                self.note(_line(node), "", f"has more than {bound}")
                return False
            waiting += [(child, level + 1) for child in _children(node)]
        return True


class Value:
    """One value of a document. A reading method that finds something else notes it and returns an empty
    value of its type, so that callers need not care."""

    def __init__(self, document: Document, node: yaml.Node, path: str) -> None:
        self._document = document
        self._node = node
        self.path = path
        self.line = _line(node)
        if node.tag not in _PLAIN:
            self.fail(f"has the tag {node.tag}: plain YAML only")

    def fail(self, message: str) -> None:
        """Notes that this value is wrong."""
        self._document.note(self.line, self.path, message)

    def entries(self) -> dict[str, Value]:
        """The mapping's keys, free to choose, and values; a key that comes twice is noted."""
        if not isinstance(self._node, yaml.MappingNode):
            self.fail(f"must be a mapping of keys to values, not {self.kind}")
            return {}
        found: dict[str, Value] = {}
        for key_node, node in self._node.value:
            key = self._key(key_node)
            if key is None:
                continue
            value = Value(self._document, node, f"{self.path}.{key}" if self.path else key)
            value.line = _line(key_node)
            if key in found:
                value.fail(f"comes twice; it is first in line {found[key].line}")
                continue
            found[key] = value
        return found

    def fields(self, *known: str) -> Fields:
        """The mapping's values under known keys; any other key is noted."""
        entries = self.entries()
        for key in entries.keys() - set(known):
            entries[key].fail(f"is not known{suggest(key, known)}")
        return Fields(self, {key: value for key, value in entries.items() if key in known})

    def items(self) -> list[Value]:
        """The elements of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self.fail(f"must be a list, not {self.kind}")
            return []
        return [
            Value(self._document, node, f"{self.path}[{index}]")
            for index, node in enumerate(self._node.value)
        ]

    def text(self, check: Check | None = None, default: str = "") -> str:
        if self._node.tag != _TEXT or not isinstance(self._node, yaml.ScalarNode):
            self.fail(f"must be text, not {self.kind}" + self._hint())
            return default
        text = str(self._node.value)
        complaint = (check(text) if check else "") or ("" if text else "must not be empty")
        if complaint:
            self.fail(complaint)
            return default
        return text

    def flag(self) -> bool:
        if self._node.tag != _FLAG:
            self.fail(f"must be true or false, not {self.kind}")
            return False
        return str(self._node.value).lower() in ("true", "yes", "on")

    def integer(self) -> int | None:
        """The whole number in decimal digits, or None."""
        digits = str(self._node.value)
        if self._node.tag != _INTEGER or not digits.lstrip("+-").isdecimal() or len(digits) > 18:
            self.fail(f"must be a whole number, not {self.kind}")
            return None
        return int(digits)

    def number(self) -> float | None:
        """The number, with or without a decimal point, or None."""
        if self._node.tag == _FLOAT and _DECIMAL.fullmatch(str(self._node.value)):
            return float(self._node.value)
        if self._node.tag == _FLOAT or not self.is_integer:
            self.fail(f"must be a number such as 1.5, not {self.kind}")
            return None
        return self.integer()

    @property
    def is_mapping(self) -> bool:
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_integer(self) -> bool:
        return bool(self._node.tag == _INTEGER)

    @property
    def kind(self) -> str:
        """What is written there, in words."""
        if isinstance(self._node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self._node, yaml.SequenceNode):
            return "a list"
        if self._node.tag == _NULL:
            return "nothing"
        return repr(str(self._node.value)[:40])

    def _hint(self) -> str:
        is_scalar = isinstance(self._node, yaml.ScalarNode) and self._node.tag not in (_NULL, _TEXT)
        return f'; put it in quotes: "{str(self._node.value)[:40]}"' if is_scalar else ""

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == _TEXT:
            return str(node.value)
        is_merge = node.value == "<<"
        what = "merge keys are not read; write the keys out" if is_merge else "must be text; put it in quotes"
        key = repr(str(node.value)[:40]) if isinstance(node, yaml.ScalarNode) else "that is no word"
        self._document.note(_line(node), self.path, f"key {key}: {what}")
        return None


class Fields:
    """The values of a mapping with known keys; each method returns `default` for a key that is not there."""

    def __init__(self, owner: Value, entries: dict[str, Value]) -> None:
        self._owner = owner
        self._entries = entries

    @property
    def none(self) -> Fields:
        """No fields, for a section that is left out."""
        return Fields(self._owner, {})

    def get(self, key: str) -> Value | None:
        return self._entries.get(key)

    def required(self, key: str) -> Value | None:
        """The value under `key`; its absence is noted."""
        if key not in self._entries and self._owner.is_mapping:
            path = f"{self._owner.path}.{key}" if self._owner.path else key
            self._owner._document.note(self._owner.line, path, "is required")
        return self._entries.get(key)

    def text(self, key: str, check: Check | None = None, default: str = "") -> str:
        value = self.get(key)
        return value.text(check, default) if value else default

    def required_text(self, key: str, check: Check | None = None) -> str:
        value = self.required(key)
        return value.text(check) if value else ""

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key)
        return value.flag() if value else default

    def integer(self, key: str, default: int, least: int, most: int) -> int:
        value = self.get(key)
        number = value.integer() if value else default
        if value and number is not None and not least <= number <= most:
            value.fail(f"must be from {least} to {most}, not {number}")
        return default if number is None else number

    def choice(self, key: str, choices: type[Choice], default: Choice) -> Choice:
        """The member of an enumeration whose value is written there."""
        value = self.get(key)
        text = value.text() if value else default.value
        if text in {one.value for one in choices}:
            return choices(text)
        if value and text:
            known = [one.value for one in choices]
            value.fail(f"{text[:40]!r} is not one of {', '.join(known)}{did_you_mean(text, known)}")
        return default

    def items(self, key: str) -> list[Value]:
        value = self.get(key)
        return value.items() if value else []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` when a known word is close, else empty."""
    close = difflib.get_close_matches(word[:80], sorted(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """The known word that is close, else those that there are (20 at most)."""
    words = sorted(known)
    return did_you_mean(word, words) or (f"; there is {', '.join(words[:20])}" if words else "")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _yaml_problem(error: Exception) -> tuple[int, str, str]:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        words = " ".join(part for part in (error.context, error.problem) if part)
        return error.problem_mark.line + 1, "", f"is not YAML: {words}"
    return 1, "", f"is not YAML: {' '.join(str(error).split())[:200] or type(error).__name__}"
