"""What git can say besides GitError.

PermanentError            trying again changes nothing
├── BranchGone            the branch, or the pull request's ref of a fork, does not exist in the repository
└── EmptyRepository       the repository answers and has no branch at all
GitError
├── AccessRefused         the repository wants other credentials: temporary, since Secrets are renewed
└── Damaged               a mirror that git cannot read; it is made anew once before anybody hears of it
"""

from __future__ import annotations

from provisioner.errors import GitError, PermanentError


class BranchGone(PermanentError):
    reason = "BranchNotFound"


class EmptyRepository(PermanentError):
    reason = "EmptyRepository"


class AccessRefused(GitError):
    reason = "RepositoryAccessRefused"


class Damaged(GitError):
    """`copy` tells the damaged copy from one that was made in its place."""

    reason = "MirrorDamaged"

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        reason: str = "",
        retry_after: float | None = None,
        copy: int = 0,
    ) -> None:
        super().__init__(message, where=where, reason=reason, retry_after=retry_after)
        self.copy = copy
