"""What a forge said, in one shape for every forge.

`webhooks/github.py` and its siblings turn a verified delivery into a `ForgeEvent`; nothing behind them knows
which forge it came from. An event is a hint: whoever acts on it reads the truth again first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What happened, in terms of lanes."""

    OPENED = "opened"  # a pull request was opened, reopened, or made ready for review
    UPDATED = "updated"  # its head, base, labels or draft state changed
    CLOSED = "closed"  # it was merged or closed
    PUSHED = "pushed"  # a branch got new commits, or was created
    DELETED = "deleted"  # a branch was removed


@dataclass(frozen=True)
class ForgeEvent:
    """One delivery. `repository` and `head_repository` are full names such as `acme/shop`; without a pull
    request `pull` is 0 and `base` empty; `updated_at` is the forge's own time of the change (UTC)."""

    forge: str
    delivery: str
    kind: Kind
    repository: str
    ref: str  # branch, without refs/heads/
    sha: str
    updated_at: datetime
    pull: int = 0
    base: str = ""
    head_repository: str = ""  # differs from `repository` for a fork
    author: str = ""
    title: str = ""
    url: str = ""
    labels: tuple[str, ...] = field(default=())
    draft: bool = False
    merged: bool = False

    @property
    def fork(self) -> str:
        """The fork's owner, or empty when the head lies in the repository itself."""
        if not self.head_repository or self.head_repository == self.repository:
            return ""
        return self.head_repository.split("/")[0]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; `from_json` gives the same event back."""
        return {**asdict(self), "updated_at": self.updated_at.isoformat(), "labels": list(self.labels)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ForgeEvent:
        return cls(
            **{
                **data,
                "kind": Kind(data["kind"]),
                "updated_at": datetime.fromisoformat(data["updated_at"]),
                "labels": tuple(data["labels"]),
            }
        )
