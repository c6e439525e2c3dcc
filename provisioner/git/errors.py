"""What git can say that nobody mends by trying again. Everything else is a GitError.

PermanentError
├── BranchGone        the branch, or the pull request's ref of a fork, does not exist in the repository
└── EmptyRepository   the repository answers and has no branch at all
"""

from __future__ import annotations

from provisioner.errors import PermanentError


class BranchGone(PermanentError):
    reason = "BranchNotFound"


class EmptyRepository(PermanentError):
    reason = "EmptyRepository"
