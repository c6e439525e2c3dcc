"""The git edge: what a repository says now, read from mirrors that are kept between jobs.

`Repositories` is all that others need. `process` runs git, `mirror` keeps one bare copy, `lock` lets many
processes share the folder, `refs` says what a branch is called, `history` asks the copy.
"""

from provisioner.git.errors import BranchGone, EmptyRepository
from provisioner.git.repositories import Repositories

__all__ = ["BranchGone", "EmptyRepository", "Repositories"]
