"""Laneway's rules in a VirtualService that is not one lane's: told from the user's, put in, taken out. Pure.

They are told by their names alone, `laneway/...`, so whoever edits the object, or writes it anew from a
repository, edits and keeps what is theirs, and the next run puts ours in front again. The object notes how to
take them out: an annotation is a JSON merge patch that restores it, and that kubectl can apply. Another one
is the hash of what was written, by which our own writes are told from the users'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provisioner import labels, names

Json = dict[str, Any]

PREFIX = "laneway/"
SHARE = "share"  # what the name of a release's line for untagged requests ends in
_NOTES = (labels.ORIGINAL, labels.SPEC_HASH)
MOST_BYTES = 1024 * 1024  # of an object; etcd refuses one of 1.5 MiB, and Istio takes seconds for this one
MOST_NOTED = 240 * 1024  # of its annotations, of which Kubernetes takes 256 KiB


def is_ours(rule: Json) -> bool:
    return str(rule.get("name") or "").startswith(PREFIX)


def of_users(live: Json | None) -> list[Json]:
    """The rules that are not ours, in their order."""
    return [rule for rule in (live or {}).get("spec", {}).get("http") or () if not is_ours(rule)]


def of_lanes(live: Json | None, chain: str) -> dict[str, Json]:
    """The lines of a chain's lanes, by lane."""
    return {lane: rule for lane, rule in _delegating(live, chain) if not _is_share(rule)}


def of_shares(live: Json | None, chain: str) -> dict[str, Json]:
    """The lines for what the chain's releases take of the untagged requests, by their lanes."""
    return {lane: rule for lane, rule in _delegating(live, chain) if _is_share(rule)}


def _delegating(live: Json | None, chain: str) -> Iterator[tuple[str, Json]]:
    for rule in (live or {}).get("spec", {}).get("http") or ():
        if is_ours(rule) and rule.get("delegate"):
            owner, lane = _parts(rule)
            if owner == chain:
                yield lane, rule


def _is_share(rule: Json) -> bool:
    return str(rule["name"]).endswith(f"/{SHARE}")


def chains(live: Json | None) -> frozenset[str]:
    """The chains that have rules in it."""
    return frozenset(
        _parts(rule)[0] for rule in (live or {}).get("spec", {}).get("http") or () if is_ours(rule)
    )


def line(
    chain: str, lane: str, matches: Sequence[Json], delegate: str, namespace: str, *, share: bool = False
) -> Json:
    return {
        "name": f"{PREFIX}{chain}/{lane}" + (f"/{SHARE}" if share else ""),
        "match": list(matches),
        "delegate": {"name": delegate, "namespace": namespace},
    }


def named(rules: Iterable[Json], chain: str, what: str) -> list[Json]:
    """Rules of ours that are not one lane's."""
    return [{**rule, "name": f"{PREFIX}{chain}/{what}/{place}"} for place, rule in enumerate(rules)]


def with_rules(live: Json, ours: Sequence[Json], kept: Sequence[Json], *, noted: bool) -> Json:
    """The object with these rules in front of the user's. `noted`: and how to take them out."""
    rules = [*ours, *kept]
    notes = {labels.SPEC_HASH: digest(rules)}
    if noted:
        notes[labels.ORIGINAL] = original(live)
    return _annotated({**live, "spec": {**live["spec"], "http": rules}}, notes)


def restored(live: Json) -> Json:
    """The object without any rule of ours, as its users have it."""
    spec = {key: value for key, value in live["spec"].items() if key != "http"}
    if of_users(live):
        spec["http"] = of_users(live)
    return _annotated({**live, "spec": spec}, {})


def original(live: Json) -> str:
    """The merge patch that takes our rules out."""
    patch = {
        "metadata": {"annotations": dict.fromkeys(_NOTES)},
        "spec": {"http": of_users(live) or None},
    }
    return canonical(patch)


def fit(size: int, wanted: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """The lines, in their order, that an object of `size` bytes has room for, and the lanes of the rest."""
    if size + len(wanted) * _at_most(wanted) <= MOST_BYTES:
        return dict(wanted), ()
    taken: dict[str, Json] = {}
    refused: list[str] = []
    for lane, rule in wanted.items():
        needed = len(canonical(rule)) + 1
        if size + needed > MOST_BYTES:
            refused.append(lane)
        else:
            taken[lane] = rule
            size += needed
    return taken, tuple(refused)


def _at_most(wanted: Mapping[str, Json]) -> int:
    """A bound for the size of each line, by that of the longest name."""
    longest = max(wanted, key=len)
    return len(canonical(wanted[longest])) + 2 * names.LABEL_LIMIT


def digest(thing: Any) -> str:
    """Tells what we wrote from what somebody changed since."""
    return hashlib.sha256(canonical(thing).encode()).hexdigest()[:32]


def canonical(thing: Any) -> str:
    """JSON that is equal for equal content."""
    return json.dumps(thing, sort_keys=True, separators=(",", ":"))


def _annotated(thing: Json, notes: Mapping[str, str]) -> Json:
    """The object with these notes of ours, and no others."""
    given = thing["metadata"]
    theirs = {key: text for key, text in (given.get("annotations") or {}).items() if key not in _NOTES}
    annotations = {**theirs, **notes}
    rest = {key: value for key, value in given.items() if key != "annotations"}
    return {**thing, "metadata": {**rest, "annotations": annotations} if annotations else rest}


def _parts(rule: Json) -> tuple[str, str]:
    """Chain and lane of a rule of ours."""
    _, chain, lane, *_ = (*str(rule["name"]).split("/"), "", "")
    return chain, lane
