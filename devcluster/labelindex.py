"""Which objects have which labels, so that a list by label costs what it finds and not what there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from devcluster.selectors import Mark

Name = tuple[str, str]  # namespace, name


class LabelIndex:
    """By resource and label; of the value None are all that have the label. Which objects have a label not at
    all is kept too, from the first time that somebody asks."""

    def __init__(self) -> None:
        self._names: defaultdict[tuple[str, str, str | None], set[Name]] = defaultdict(set)
        self._without: defaultdict[str, dict[str, set[Name]]] = defaultdict(dict)  # by resource, by label

    def add(self, resource: str, name: Name, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            self._names[resource, key, value].add(name)
            self._names[resource, key, None].add(name)
        for key, names in self._without[resource].items():
            if key not in labels:
                names.add(name)

    def remove(self, resource: str, name: Name, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            for at in ((resource, key, value), (resource, key, None)):
                self._names[at].discard(name)
                if not self._names[at]:
                    del self._names[at]
        for names in self._without[resource].values():
            names.discard(name)

    def narrow(self, resource: str, names: Set[Name], marks: Sequence[Mark]) -> Set[Name]:
        """Those of `names`, which are all of the resource, that have all the marks."""
        kept: Set[Name] = names
        for found in sorted((self._having(resource, names, mark) for mark in marks), key=len):
            kept = found if kept is names else kept & found
        return kept

    def _having(self, resource: str, names: Set[Name], mark: Mark) -> Set[Name]:
        if mark.wanted:
            return self._names.get((resource, mark.key, mark.value), set())
        without = self._without[resource]
        if mark.key not in without:
            without[mark.key] = set(names - self._names.get((resource, mark.key, None), set()))
        return without[mark.key]
