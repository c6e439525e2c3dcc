"""Which objects have which labels, so that a list by label costs what it finds and not what there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from devcluster.selectors import Mark

Name = tuple[str, str]  # namespace, name


class LabelIndex:
    """By resource and label; of the value None are all that have the label."""

    def __init__(self) -> None:
        self._names: defaultdict[tuple[str, str, str | None], set[Name]] = defaultdict(set)

    def add(self, resource: str, name: Name, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            self._names[resource, key, value].add(name)
            self._names[resource, key, None].add(name)

    def remove(self, resource: str, name: Name, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            for at in ((resource, key, value), (resource, key, None)):
                self._names[at].discard(name)
                if not self._names[at]:
                    del self._names[at]

    def narrow(self, resource: str, names: Set[Name], marks: Sequence[Mark]) -> Set[Name]:
        """Those of `names` that have all the marks."""
        having = [(mark.wanted, self._names.get((resource, mark.key, mark.value), set())) for mark in marks]
        kept = min((found for wanted, found in having if wanted), key=len, default=names)
        for wanted, found in having:
            if found is not kept:
                kept = kept & found if wanted else kept - found
        return kept
