"""A first `laneway.yaml` for a namespace, from what runs there. Pure.

What the cluster cannot say, where the code lies and how its images are named, is guessed, and each guess is
marked as one. The text is a valid chain file as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

from provisioner.inspection.members import Candidate, Sorted

# what the service in front is called most often, best first
_FRONTS = ("frontend", "front", "web", "webapp", "www", "ui", "gateway", "edge", "app", "api")
_GITHUB = re.compile(r"ghcr\.io/([^/]+)/")
_GITLAB = re.compile(r"registry\.gitlab\.com/([^/]+/[^/:]+)")


def text(chain: str, namespace: str, found: Sorted) -> str:
    """The file's text; `found` has at least one candidate."""
    entry, why = _entry(found.candidates)
    ordered = _in_order(entry, found.candidates)
    return "\n".join(
        [
            *_head(chain, namespace, ordered),
            *(line for one in ordered for line in _service(one)),
            *_left_out(found.left_out),
            *_tail(entry, why),
            "",
        ]
    )


def _head(chain: str, namespace: str, candidates: Sequence[Candidate]) -> Iterator[str]:
    yield f"# The chain {chain}, drafted from what runs in namespace {namespace}. The cluster does not know"
    yield "# what is marked GUESS: mend it. `laneway check FILE` says what does not fit."
    yield f"chain: {_scalar(chain)}"
    yield f"namespace: {_scalar(namespace)}"
    yield "repositories:"
    yield f"  - url: {_repository(chain, candidates)} # GUESS: where the code lies"
    yield "    base: main # GUESS: the branch that the baseline runs"
    yield "services:"


def _service(one: Candidate) -> Iterator[str]:
    calls = f"; calls {', '.join(sorted(one.calls))}" if one.calls else ""
    yield f"  # {', '.join(one.ports)}{calls}"
    yield f"  {_scalar(one.name)}:"
    yield f'    paths: ["{one.name}/**"] # GUESS: what of the repository it is made of'
    yield f"    workload: {one.workload}"
    yield f"    image: {_quoted(_pattern(one.image))} # GUESS: of the tag; it runs {_plain(one.image)} now"
    if one.container:
        yield f"    container: {_scalar(one.container)}"


def _left_out(left_out: Sequence[tuple[str, str]]) -> Iterator[str]:
    if left_out:
        yield "# Left out:"
    for name, why in left_out:
        yield f"#   {name}: {_plain(why)}"


def _tail(entry: Candidate, why: str) -> Iterator[str]:
    yield f"# GUESS: {why}. A preview host needs a wildcard DNS record and certificate."
    yield "entry:"
    yield f"  service: {_scalar(entry.name)}"
    yield '  # host: "{lane}.preview.example.com"'


def _entry(candidates: Sequence[Candidate]) -> tuple[Candidate, str]:
    """The service where requests come in, and why that is thought."""
    exposed = [one for one in candidates if one.is_exposed]
    called = {name for one in candidates for name in one.calls}
    first = [one for one in candidates if one.calls and one.name not in called]
    named = [one for name in _FRONTS for one in candidates if one.name == name]
    if exposed:
        return _front(exposed), "it lets clients in from outside"
    if first:
        return _front(first), "it calls others, and none of the others calls it"
    if named:
        return named[0], "it is named as an entry often is"
    return candidates[0], "it is the first by name, and nothing tells more"


def _front(candidates: Sequence[Candidate]) -> Candidate:
    return next((one for name in _FRONTS for one in candidates if one.name == name), candidates[0])


def _in_order(entry: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """In the order of calls, as far as they are known; the others after them by name."""
    by_name = {one.name: one for one in candidates}
    ordered, waiting = [entry], [entry]
    while waiting:
        calls = (by_name[name] for name in sorted(waiting.pop(0).calls & by_name.keys()))
        new = [one for one in calls if one not in ordered]
        ordered += new
        waiting += new
    return [*ordered, *(one for one in candidates if one not in ordered)]


def _pattern(image: str) -> str:
    """The image with the commit in the place of its tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}:" + "{sha}"


def _repository(chain: str, candidates: Sequence[Candidate]) -> str:
    for one in candidates:
        if found := _GITHUB.match(one.image):
            return f"https://github.com/{found.group(1)}/{chain}.git"
        if found := _GITLAB.match(one.image):
            return f"https://gitlab.com/{found.group(1)}.git"
    return f"https://github.com/OWNER/{chain}.git"


def _scalar(word: str) -> str:
    """A word as YAML reads it back: quoted where it would be something else, such as `on` or `12`."""
    return word if yaml.safe_load(word) == word else _quoted(word)


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(words: str) -> str:
    """On one line, of characters that a comment may have."""
    return "".join(one for one in " ".join(words.split()) if one.isprintable() and one <= "\uffff")
