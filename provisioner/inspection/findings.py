"""What `laneway check` has to say: one finding for each thing that is wrong. Plain data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Severity(StrEnum):
    """ERROR: lanes cannot work as the file says. WARNING: they can, with something that one should know."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """`where` is the service, namespace or object that it is about; `reason` is for machines."""

    chain: str
    where: str
    severity: Severity
    reason: str
    message: str

    def to_json(self) -> Json:
        return asdict(self)


def is_wrong(found: Iterable[Finding]) -> bool:
    """Whether anything is worse than a warning."""
    return any(one.severity is Severity.ERROR for one in found)
